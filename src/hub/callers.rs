//! Where a request comes from, and whether that address may try once more.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::IncomingStream;

use super::access::Failures;
use super::answer::refused;
use super::door::Door;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Knows the address of each caller and how often it has failed. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Callers {
    failures: Failures,
    proxies: Vec<IpAddr>,
}

impl Callers {
    /// Callers of whom `proxies` speak for others.
    pub(super) fn new(failures: Failures, proxies: Vec<IpAddr>) -> Self {
        Self { failures, proxies }
    }

    /// Where the request comes from.
    pub(super) fn address(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        // There is always one but where a test calls the router itself.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(address))| address.ip());
        told(peer, request.headers(), &self.proxies)
    }

    /// How long nothing from this address is looked at; nothing where it is.
    pub(super) fn wait(&self, address: IpAddr) -> Option<Duration> {
        self.failures.wait(address)
    }

    /// Notes that it has shown something that is not valid.
    pub(super) fn note_failure(&self, address: IpAddr) {
        self.failures.note(address);
        if self.failures.wait(address).is_some() {
            tracing::warn!(%address, "too many tokens that are not valid: nothing is taken from there for a while");
        }
    }
}

/// The address that `peer` speaks for: of those in `X-Forwarded-For` the last that is no proxy itself, for whatever stands
/// before it the caller may have written.
fn told(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.contains(&address.to_canonical());
    if !is_proxy(&peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> = lines.flat_map(|line| line.split(',')).map_while(|hop| hop.trim().parse().ok()).collect();
    hops.into_iter().rfind(|hop| !is_proxy(hop)).unwrap_or(peer)
}

/// How many whole seconds that is, at least one.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Why nothing is looked at, in words.
pub(super) fn too_often(wait: Duration) -> String {
    format!("too many tokens from this address were not valid: try again in {} s", seconds(wait))
}

/// The answer of the API to an address that must wait.
pub(super) fn must_wait(wait: Duration) -> Response {
    let mut response = refused(StatusCode::TOO_MANY_REQUESTS, &too_often(wait)).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_speaks_for_others_and_nobody_for_himself() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 203.0.113.7"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.2"));
        let proxies = [address("10.0.0.1"), address("10.0.0.2")];
        assert_eq!(told(address("198.51.100.1"), &headers, &proxies), address("198.51.100.1"));
        assert_eq!(told(address("10.0.0.1"), &headers, &proxies), address("203.0.113.7"));
        assert_eq!(told(address("10.0.0.1"), &headers, &[]), address("10.0.0.1"));
        assert_eq!(told(address("10.0.0.1"), &HeaderMap::new(), &proxies), address("10.0.0.1"));
    }

    #[test]
    fn less_than_a_second_is_one() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(20)), 20);
    }
}
