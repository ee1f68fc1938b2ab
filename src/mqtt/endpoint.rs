//! The broker's address, out of a URL.

use std::fmt;

use url::Url;

use super::Error;

/// Where the broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; an IPv6 address stands in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted and the broker's certificate verified.
    pub tls: bool,
}

impl Endpoint {
    /// Reads `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    ///
    /// # Errors
    /// When it is another kind of URL, or one with a password: that would stand in the open. The error repeats no part
    /// of it that could be a password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let fault = |what: &str| Error::Url { reason: what.to_owned() };
        let parsed = Url::parse(url).map_err(|e| fault(&e.to_string()))?;
        let tls = match parsed.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            other => return Err(fault(&format!("its scheme must be mqtt or mqtts, not {other}"))),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(fault("user and password do not belong into it: use username and password_file"));
        }
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(fault("nothing may follow the port"));
        }
        let host = parsed.host_str().filter(|h| !h.is_empty()).ok_or_else(|| fault("it names no host"))?;
        let port = parsed.port().unwrap_or(if tls { 8883 } else { 1883 });
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "mqtts" } else { "mqtt" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_from_the_scheme() {
        let text = |url: &str| Endpoint::parse(url).unwrap().to_string();
        assert_eq!(text("mqtt://broker.example"), "mqtt://broker.example:1883");
        assert_eq!(text("mqtts://broker.example/"), "mqtts://broker.example:8883");
        assert_eq!(text("mqtts://10.0.0.1:1"), "mqtts://10.0.0.1:1");
        assert_eq!(text("mqtt://[::1]:99"), "mqtt://[::1]:99");
    }

    #[test]
    fn other_urls_are_refused_without_showing_a_password() {
        for url in ["", "broker", "http://broker", "mqtt://", "mqtt://b/topic", "mqtt://b?x=1", "mqtt://b:99999"] {
            assert!(Endpoint::parse(url).is_err(), "{url:?} must be refused");
        }
        let error = Endpoint::parse("mqtt://me:hunter2@broker").unwrap_err();
        assert!(error.to_string().contains("password_file"));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
