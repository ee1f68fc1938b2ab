//! How many messages may come in: a token bucket for each subscription. Pure.

use std::time::Duration;

use super::Subscription;

/// A bucket for each subscription.
#[derive(Debug)]
pub(super) struct Limiter {
    buckets: Vec<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    filter: String,
    per_second: f64,
    tokens: f64,
    filled: Duration,
}

impl Limiter {
    pub(super) fn new(subscriptions: &[Subscription], now: Duration) -> Self {
        let bucket = |s: &Subscription| {
            let per_second = f64::from(s.per_second.max(1));
            Bucket { filter: s.filter.clone(), per_second, tokens: per_second * 2.0, filled: now }
        };
        Self { buckets: subscriptions.iter().map(bucket).collect() }
    }

    /// Whether a message with this topic may pass. One that no subscription asked for may not.
    pub(super) fn pass(&mut self, topic: &str, now: Duration) -> bool {
        let Some(bucket) = self.buckets.iter_mut().find(|b| rumqttc::matches(topic, &b.filter)) else { return false };
        let passed = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.filled = bucket.filled.max(now);
        bucket.tokens = (bucket.tokens + passed * bucket.per_second).min(bucket.per_second * 2.0);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_on_one_filter_is_cut_and_leaves_the_others_alone() {
        let subscriptions = ["a/command/#", "a/ack"].map(|f| Subscription { filter: f.to_owned(), per_second: 10 });
        let mut limiter = Limiter::new(&subscriptions, Duration::ZERO);
        let passed = (0..100_000u64).filter(|n| limiter.pass("a/command/x", Duration::from_micros(n * 100))).count();
        assert!((110..=121).contains(&passed), "20 at once and 10 a second for 10 s, not {passed}");
        assert!(limiter.pass("a/ack", Duration::from_secs(10)));
        assert!(!limiter.pass("b/command/x", Duration::from_secs(10)), "nobody asked for it");
    }
}
