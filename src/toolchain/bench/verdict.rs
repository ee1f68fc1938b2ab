//! Which configuration is the best, and why each other one is not. Pure.

use serde::Serialize;

use super::{Configuration, Measured};

/// Medians that differ by less are equal on a machine that others use too.
const NOISE: f64 = 1.03;

/// Whether a configuration is the winner, and else why not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It is.
    Winner,
    /// Another one is faster.
    Slower {
        /// So many times is its median that of the winner.
        times: f64,
    },
    /// As fast as the winner, which takes fewer threads or less memory.
    Costlier,
    /// It does not see what the reference sees.
    SeesTooLittle {
        /// Its agreement with the reference.
        agreement: f64,
        /// The least that was asked for.
        least: f64,
    },
    /// It does not run.
    DoesNotRun {
        /// Why.
        reason: String,
    },
}

/// Judges all that were measured.
pub(super) fn judge(configurations: &mut [Configuration], least: f64) {
    let eligible = |it: &Configuration| it.measured.filter(|measured| agreement(measured) >= least);
    let fastest = configurations.iter().filter_map(eligible).map(|m| m.p50_ms).min_by(f64::total_cmp);
    // Of those as fast as the fastest the one that costs least; of equal ones the first.
    let cost = |it: &Configuration| (it.threads, it.measured.map_or(0, |measured| measured.memory_mib));
    let is_fast = |p50: f64| fastest.is_some_and(|fastest| p50 <= fastest * NOISE);
    let winner = (0..configurations.len())
        .filter(|&at| eligible(&configurations[at]).is_some_and(|measured| is_fast(measured.p50_ms)))
        .min_by_key(|&at| cost(&configurations[at]));
    for (at, configuration) in configurations.iter_mut().enumerate() {
        let Some(measured) = configuration.measured else { continue };
        configuration.verdict = match () {
            () if Some(at) == winner => Verdict::Winner,
            () if agreement(&measured) < least => Verdict::SeesTooLittle { agreement: agreement(&measured), least },
            () if is_fast(measured.p50_ms) => Verdict::Costlier,
            () => Verdict::Slower { times: measured.p50_ms / fastest.unwrap_or(measured.p50_ms) },
        };
    }
}

/// 1 where there is nothing to agree on.
fn agreement(measured: &Measured) -> f64 {
    measured.agreement.map_or(1.0, super::Agreement::score)
}

#[cfg(test)]
mod tests {
    use super::super::Agreement;
    use super::*;

    fn configuration(threads: u16, p50_ms: f64, shared: usize) -> Configuration {
        let agreement = Some(Agreement { expected: 10, shared, found: shared });
        let measured = Measured { p50_ms, p95_ms: p50_ms, looks_per_second: 1.0, looks: 1, memory_mib: 1, agreement };
        let (file, provider) = ("a.onnx".to_owned(), "cpu".to_owned());
        Configuration { file, provider, threads, measured: Some(measured), verdict: Verdict::Winner }
    }

    fn verdicts(mut all: Vec<Configuration>) -> Vec<Verdict> {
        judge(&mut all, 0.8);
        all.into_iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn what_sees_too_little_does_not_win_however_fast() {
        let found = verdicts(vec![configuration(1, 10.0, 10), configuration(1, 2.0, 3), configuration(1, 20.0, 10)]);
        assert_eq!(found[0], Verdict::Winner);
        assert!(matches!(found[1], Verdict::SeesTooLittle { agreement, .. } if agreement < 0.5), "{found:?}");
        assert_eq!(found[2], Verdict::Slower { times: 2.0 });
    }

    #[test]
    fn of_two_that_are_as_fast_the_one_with_fewer_threads_wins() {
        let found = verdicts(vec![configuration(2, 10.0, 10), configuration(1, 10.2, 10)]);
        assert_eq!(found, [Verdict::Costlier, Verdict::Winner]);
    }

    #[test]
    fn nobody_wins_where_nobody_runs() {
        let mut all = vec![configuration(1, 1.0, 10)];
        all[0].measured = None;
        all[0].verdict = Verdict::DoesNotRun { reason: "no driver".into() };
        assert_eq!(verdicts(all), [Verdict::DoesNotRun { reason: "no driver".into() }]);
        assert!(matches!(verdicts(vec![configuration(1, 1.0, 0)])[0], Verdict::SeesTooLittle { .. }));
    }
}
