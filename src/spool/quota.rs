//! Who makes room for whom. Pure.

use super::{Class, Settings};

/// The space that each record takes besides its payload: key, checksum, time, and its part of a tree page.
pub(super) const OVERHEAD: u64 = 48;

/// Shares in bytes, in the order of [`Class::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota([u64; 3]);

impl Quota {
    /// The shares on the disk.
    pub(super) fn on_disk(settings: &Settings) -> Self {
        Self([settings.alert_bytes, settings.event_bytes, settings.telemetry_bytes])
    }

    /// The shares in memory: the same proportions within [`Settings::memory_bytes`].
    pub(super) fn in_memory(settings: &Settings) -> Self {
        let Self(shares) = Self::on_disk(settings);
        let total = shares.iter().copied().map(u128::from).sum::<u128>().max(1);
        let part = |share: u64| u128::from(share) * u128::from(settings.memory_bytes) / total;
        Self(shares.map(|share| u64::try_from(part(share)).unwrap_or(u64::MAX)))
    }

    /// The class whose oldest record must go, if any, when the classes use so much.
    ///
    /// Checked from the least precious class up: telemetry within its share; telemetry and events within both their
    /// shares; all within all. The first sum that is exceeded is relieved from its least precious class that holds
    /// anything, so that a record never pushes out a more precious one.
    pub(super) fn first_to_go(&self, used: [u64; 3]) -> Option<Class> {
        let (mut sum, mut share) = (0u64, 0u64);
        for class in Class::ALL.into_iter().rev() {
            sum = sum.saturating_add(used[class.index()]);
            share = share.saturating_add(self.0[class.index()]);
            if sum > share {
                return Class::ALL.into_iter().rev().find(|c| used[c.index()] > 0);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn telemetry_goes_first_then_events_and_alerts_last() {
        let quota = Quota([10, 20, 5]);
        assert_eq!(quota.first_to_go([10, 20, 5]), None);
        assert_eq!(quota.first_to_go([0, 0, 6]), Some(Class::Telemetry), "its own share is its limit");
        assert_eq!(quota.first_to_go([0, 23, 2]), None, "events use what telemetry leaves");
        assert_eq!(quota.first_to_go([0, 24, 2]), Some(Class::Telemetry), "and telemetry gives way");
        assert_eq!(quota.first_to_go([0, 26, 0]), Some(Class::Event));
        assert_eq!(quota.first_to_go([12, 20, 4]), Some(Class::Telemetry));
        assert_eq!(quota.first_to_go([16, 20, 0]), Some(Class::Event));
        assert_eq!(quota.first_to_go([35, 0, 0]), None, "alerts may fill everything");
        assert_eq!(quota.first_to_go([36, 0, 0]), Some(Class::Alert));
    }

    proptest! {
        #[test]
        fn shedding_ends_within_the_quota_and_never_takes_a_class_within_its_own_share(used in [0u64..100, 0u64..100, 0u64..100]) {
            let shares = [30u64, 40, 20];
            let quota = Quota(shares);
            let mut now = used;
            while let Some(class) = quota.first_to_go(now) {
                prop_assert!(now[class.index()] > 0);
                // Alerts within their share are safe whatever the others hold, and events from telemetry.
                prop_assert!(class != Class::Alert || now[0] > shares[0]);
                now[class.index()] -= 1;
            }
            prop_assert!(now.iter().sum::<u64>() <= 90);
            prop_assert!(now[0] >= used[0].min(90));
        }
    }
}
