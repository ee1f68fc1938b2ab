//! Keeps systemd's watchdog quiet while something takes long.

use std::time::Duration;

use crate::base::shutdown::Shutdown;
use crate::base::systemd;

/// How long the models may take to be opened, where that means to build an engine.
pub const START_LIMIT: Duration = Duration::from_secs(900);

/// Feeds the watchdog while `work` is done, which may take as long as building an engine does, but not for ever.
pub fn while_fed<T>(work: impl FnOnce() -> T) -> T {
    let Some(interval) = systemd::watchdog_interval() else { return work() };
    let (done, ended) = Shutdown::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..START_LIMIT.as_secs() / (interval / 3).as_secs().max(1) {
                systemd::alive();
                if ended.wait(interval / 3) {
                    return;
                }
            }
        });
        // Dropped also when the work panics.
        let _done = done;
        work()
    })
}
