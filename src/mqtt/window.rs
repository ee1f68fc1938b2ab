//! Which message an acknowledgement is for, and whether one more may be sent. Pure.
//!
//! rumqttc numbers packets from 1 to its limit and round again, and tells the number only when it has sent the packet.
//! It cannot cope with a number that comes round while its last use is unacknowledged. So the window bounds not how
//! many are unacknowledged but how far apart the newest and the oldest of them are.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Messages between being submitted and being acknowledged, each with a ticket of the caller's.
#[derive(Debug)]
pub(super) struct Window<T> {
    size: u64,
    /// How many were ever submitted: the index of the next one.
    next: u64,
    /// Submitted, and not yet told which packet number they have.
    submitted: VecDeque<u64>,
    numbers: HashMap<u16, u64>,
    waiting: BTreeMap<u64, T>,
}

impl<T> Window<T> {
    pub(super) fn new(size: u16) -> Self {
        let size = u64::from(size.max(1));
        Self { size, next: 0, submitted: VecDeque::new(), numbers: HashMap::new(), waiting: BTreeMap::new() }
    }

    /// How many more may be submitted now.
    pub(super) fn room(&self) -> usize {
        let oldest = self.waiting.first_key_value().map_or(self.next, |(index, _)| *index);
        usize::try_from(self.size.saturating_sub(self.next - oldest)).unwrap_or(0)
    }

    /// How many are unacknowledged.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Notes that a message was handed to the client. Only while there is [`Window::room`]; the client's numbers leave
    /// some slack for the last word of a connection, which is said even to a broker that acknowledges nothing.
    pub(super) fn submit(&mut self, ticket: T) {
        self.submitted.push_back(self.next);
        self.waiting.insert(self.next, ticket);
        self.next += 1;
    }

    /// Notes that the client has sent the message submitted longest ago under this packet number.
    pub(super) fn sent(&mut self, number: u16) {
        if let Some(index) = self.submitted.pop_front() {
            self.numbers.insert(number, index);
        }
    }

    /// The ticket of the message that was sent under this packet number. `None` for a number that is not outstanding.
    pub(super) fn acknowledged(&mut self, number: u16) -> Option<T> {
        self.waiting.remove(&self.numbers.remove(&number)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_old_unacknowledged_message_stops_the_window() {
        let mut window = Window::new(3);
        for ticket in 1..=3 {
            window.submit(ticket);
            window.sent(ticket);
        }
        assert_eq!((window.acknowledged(2), window.acknowledged(3)), (Some(2), Some(3)));
        assert_eq!((window.room(), window.len()), (0, 1));
        assert_eq!(window.acknowledged(1), Some(1));
        assert_eq!((window.room(), window.len()), (3, 0));
        assert_eq!(window.acknowledged(1), None);
    }

    #[test]
    fn the_last_word_fits_behind_a_full_window() {
        let mut window = Window::new(2);
        for ticket in 1..=3 {
            window.submit(ticket);
            window.sent(ticket);
        }
        assert_eq!(window.room(), 0);
        assert_eq!((1..=3).filter_map(|n| window.acknowledged(n)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(window.room(), 2);
    }

    proptest! {
        /// Plays the client: numbers round from 1, acknowledgements in any order.
        #[test]
        fn no_number_is_used_twice_at_a_time_whatever_the_order_of_acknowledgements(
            size in 1u16..20,
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400),
        ) {
            let numbers = size + 8;
            let mut window = Window::new(size);
            let (mut last, mut outstanding, mut ticket) = (0u16, Vec::new(), 0u32);
            for (submit, which) in steps {
                if submit && window.room() > 0 {
                    ticket += 1;
                    window.submit(ticket);
                    last = if last >= numbers { 1 } else { last + 1 };
                    prop_assert!(outstanding.iter().all(|(n, _)| *n != last), "{} is used twice", last);
                    window.sent(last);
                    outstanding.push((last, ticket));
                } else if !outstanding.is_empty() {
                    let (number, ticket) = outstanding.swap_remove(which.index(outstanding.len()));
                    prop_assert_eq!(window.acknowledged(number), Some(ticket));
                }
                prop_assert_eq!(window.len(), outstanding.len());
                prop_assert!(window.len() <= usize::from(size));
            }
        }
    }
}
