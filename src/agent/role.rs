//! Whether what a model sees counts, is compared, or both: where the results of its looks go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::agent::post::Post;
use crate::agent::rollout::shadow::Shadow;
use crate::base::clock::SharedClock;
use crate::detect::{CameraKey, Results};

/// The posts by the numbers that workers know them by.
pub type Desks = Arc<RwLock<BTreeMap<CameraKey, Arc<Post>>>>;

/// What one model's word is worth. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Role(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    decides: AtomicBool,
    /// Whether it is on its way into force and has not proved itself yet.
    is_candidate: AtomicBool,
    shadow: Mutex<Option<Arc<Shadow>>>,
}

impl Role {
    /// Of a model that decides.
    pub fn deciding() -> Self {
        let role = Self::default();
        role.set_deciding(true);
        role
    }

    /// Of one that is on its way into force.
    pub fn candidate() -> Self {
        let role = Self::default();
        role.0.is_candidate.store(true, Ordering::Relaxed);
        role
    }

    /// Whether it has not proved itself yet.
    pub fn is_candidate(&self) -> bool {
        self.0.is_candidate.load(Ordering::Relaxed)
    }

    /// It has proved itself.
    pub fn set_proved(&self) {
        self.0.is_candidate.store(false, Ordering::Relaxed);
    }

    /// Whether it decides from now on. What it is looking at this moment counts by what holds when it is done.
    pub fn set_deciding(&self, decides: bool) {
        self.0.decides.store(decides, Ordering::Release);
    }

    /// Compares what it sees from now on, or no longer.
    pub fn set_shadow(&self, shadow: Option<Arc<Shadow>>) {
        *self.0.shadow.lock().unwrap_or_else(PoisonError::into_inner) = shadow;
    }

    fn shadow(&self) -> Option<Arc<Shadow>> {
        self.0.shadow.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands what the model saw to the post whose frame it was, where it decides, and to the comparison, where there is one.
    pub fn results(&self, desks: Desks, clock: SharedClock) -> Results {
        let role = self.clone();
        Box::new(move |key, frame, seen, timing| {
            let decides = role.0.decides.load(Ordering::Acquire);
            if decides {
                // A camera that was withdrawn meanwhile has no post.
                let post = desks.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
                if let Some(post) = post {
                    post.seen(&frame, seen);
                }
            }
            match role.shadow() {
                Some(shadow) if decides => shadow.reference(key, &frame, seen, timing, clock.mono()),
                Some(shadow) => shadow.candidate(key, frame.seq, seen, timing),
                None => {}
            }
        })
    }
}
