//! What stands in the head of each page.

/// A place to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) href: &'static str,
    pub(super) name: &'static str,
}

pub(super) const FLEET: Place = Place { href: "/ui/", name: "Fleet" };
pub(super) const ALERTS: Place = Place { href: "/ui/alerts", name: "Alerts" };
pub(super) const EVENTS: Place = Place { href: "/ui/events", name: "Events" };
pub(super) const MODELS: Place = Place { href: "/ui/models", name: "Models" };
pub(super) const ROLLOUTS: Place = Place { href: "/ui/rollouts", name: "Rollouts" };
pub(super) const ACCESS: Place = Place { href: "/ui/tokens", name: "Access" };

/// Those for everybody, in order; admins have [`ACCESS`] too.
pub(super) const PLACES: [Place; 5] = [FLEET, ALERTS, EVENTS, MODELS, ROLLOUTS];
