//! How often one address may show a token that is not valid.
//!
//! A token is far too long to be guessed; what this keeps away is the load of trying, and a log full of it. Each address
//! has an allowance of one minute's failures, which time fills up again. While it is used up, nothing that the address
//! shows is looked at: a right token would otherwise tell that it is right.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::SharedClock;

const MINUTE: Duration = Duration::from_secs(60);
/// How many addresses are remembered: the bound of the memory that failures take.
const ADDRESSES: usize = 10_000;

/// The failures of all addresses. Cloning is cheap.
#[derive(Clone)]
pub struct Failures {
    clock: SharedClock,
    allowances: Arc<Mutex<Allowances>>,
}

/// When the allowance of each address is whole again.
struct Allowances {
    each: Duration,
    whole_at: HashMap<IpAddr, Duration>,
}

impl Failures {
    /// None yet; each address may have `per_minute`.
    pub fn new(per_minute: u32, clock: SharedClock) -> Self {
        let allowances = Allowances { each: MINUTE / per_minute.max(1), whole_at: HashMap::new() };
        Self { clock, allowances: Arc::new(Mutex::new(allowances)) }
    }

    /// How long nothing that this address shows is looked at; nothing where it is.
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        let allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        allowances.wait(household(address), self.clock.mono())
    }

    /// Notes that this address has shown something that is not valid.
    pub fn note(&self, address: IpAddr) {
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        allowances.note(household(address), self.clock.mono());
    }
}

impl Allowances {
    fn wait(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let used = self.whole_at.get(&address)?.saturating_sub(now);
        (used + self.each).checked_sub(MINUTE).filter(|wait| !wait.is_zero())
    }

    fn note(&mut self, address: IpAddr, now: Duration) {
        if self.whole_at.len() >= ADDRESSES && !self.whole_at.contains_key(&address) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            if self.whole_at.len() >= ADDRESSES {
                // So many at once are one flood: forgetting them all is better than growing for ever.
                self.whole_at.clear();
            }
        }
        let whole_at = self.whole_at.entry(address).or_default();
        *whole_at = (*whole_at).max(now) + self.each;
    }
}

/// Those who share an address: of IPv6 one customer has a whole /64.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_allowance_is_used_up_by_failures_and_filled_by_time() {
        let clock = SimulatedClock::at(0);
        let failures = Failures::new(3, clock.clone());
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..3 {
            assert_eq!(failures.wait(one), None);
            failures.note(one);
        }
        assert_eq!(failures.wait(one), Some(Duration::from_secs(20)));
        assert_eq!(failures.wait(other), None, "nobody else is to blame");
        clock.advance(Duration::from_secs(20));
        assert_eq!(failures.wait(one), None);
        failures.note(one);
        assert!(failures.wait(one).is_some());
        clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(failures.wait(one), None, "the whole allowance is back");
            failures.note(one);
        }
    }

    #[test]
    fn a_household_shares_its_allowance_and_a_flood_of_addresses_takes_no_more_memory() {
        let failures = Failures::new(1, SimulatedClock::at(0));
        failures.note(address("2001:db8::1"));
        assert!(failures.wait(address("2001:db8::ffff")).is_some());
        assert!(failures.wait(address("2001:db8:0:1::1")).is_none());
        failures.note(address("::ffff:10.0.0.1"));
        assert!(failures.wait(address("10.0.0.1")).is_some());
        for number in 0..30_000_u32 {
            failures.note(IpAddr::V4(number.into()));
        }
        assert!(failures.allowances.lock().unwrap().whole_at.len() <= ADDRESSES);
    }
}
