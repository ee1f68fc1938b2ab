//! What the TCP connections of this process have received, as the kernel counts it.
//!
//! Libraries in C hide their sockets, as GStreamer's RTSP client does; the process's own table of descriptors has them all.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{Shutdown, getpeername, getsockname, shutdown};

use super::confine::descriptors;

/// Where `tcpi_bytes_received` lies in the `struct tcp_info` of Linux 4.1 and later (include/uapi/linux/tcp.h). The structure
/// only ever grows at its end.
const BYTES_RECEIVED: usize = 128;

/// A connection and what has come over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// This end of it. With the other end, no two connections that are open have the same.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Bytes that have come from there, also those that nobody has read yet.
    pub received: u64,
}

/// The process's open connections whose other end, written as by [`plain`], is `wanted`. Takes some system calls for each
/// descriptor that is open: half a millisecond for those of an agent.
///
/// # Errors
/// When it cannot be seen which descriptors there are.
pub fn connections(wanted: impl Fn(SocketAddr) -> bool) -> io::Result<Vec<Connection>> {
    let of = |descriptor: i32| {
        // SAFETY: it is asked three things and neither kept nor closed. Whoever holds it may close it meanwhile, and another may
        // have its number then; the answer is about that one, or an error.
        #[expect(
            unsafe_code,
            reason = "asking about a descriptor that one does not hold is no safe code in any library"
        )]
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let (local, peer) = ends_of(descriptor).filter(|(_, peer)| wanted(*peer))?;
        Some(Connection { local, peer, received: received(descriptor)? })
    };
    Ok(descriptors()?.into_iter().filter_map(of).collect())
}

/// Ends the process's connection with these two ends, this one's first: whoever reads from it gets what had come, and then its
/// end. Returns whether there was one.
///
/// # Errors
/// When it cannot be seen which descriptors there are, or the kernel refuses.
pub fn cut(ends: (SocketAddr, SocketAddr)) -> io::Result<bool> {
    for descriptor in descriptors()? {
        // SAFETY: it is asked for its ends and made another of, and neither kept nor closed.
        #[expect(
            unsafe_code,
            reason = "asking about a descriptor that one does not hold is no safe code in any library"
        )]
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        // Nothing but such a connection is duplicated: to close a file's duplicate would release the locks that are on it.
        if ends_of(descriptor) != Some(ends) {
            continue;
        }
        // Looked at again, as whoever held it may have closed it meanwhile, and nobody else closes this one.
        let Ok(own) = fcntl_dupfd_cloexec(descriptor, 0) else { continue };
        if ends_of(own.as_fd()) == Some(ends) {
            shutdown(own, Shutdown::Both)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn ends_of(socket: BorrowedFd<'_>) -> Option<(SocketAddr, SocketAddr)> {
    let peer = plain(SocketAddr::try_from(getpeername(socket).ok()??).ok()?);
    Some((plain(SocketAddr::try_from(getsockname(socket).ok()?).ok()?), peer))
}

/// `None` for what is no TCP connection, and from a kernel that does not count.
fn received(socket: BorrowedFd<'_>) -> Option<u64> {
    let mut info = [0u8; 256];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `info`, which has so many, and says how many it wrote.
    #[expect(unsafe_code, reason = "no safe library offers TCP_INFO")]
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = info.get(..length as usize)?.get(BYTES_RECEIVED..BYTES_RECEIVED + 8)?;
    (done == 0).then_some(u64::from_ne_bytes(count.try_into().ok()?))
}

/// An address as those of a [`Connection`] are written: IPv4 where it is that within IPv6, and without the interface that one
/// of IPv6 may name.
pub fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_came_is_counted_whether_it_was_read_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(place).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let seen = || connections(|peer| peer == place).unwrap();
        let local = client.local_addr().unwrap();
        assert_eq!(seen(), [Connection { local, peer: place, received: 0 }]);
        server.write_all(&[7; 100_000]).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
        client.peek(&mut [0; 1]).unwrap();
        // The rest may still be on its way through the kernel.
        let mut received = 0;
        while received < 100_000 {
            let now = seen()[0].received;
            assert!((1000..=100_000).contains(&now) && now >= received, "{received} bytes, then {now}");
            received = now;
        }
        drop(client);
        assert_eq!(seen(), []);
    }

    #[test]
    fn one_that_is_cut_can_be_read_to_its_end_and_others_stay() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let mut clients = [(); 2].map(|()| TcpStream::connect(place).unwrap());
        let mut servers = [(); 2].map(|()| listener.accept().unwrap().0);
        servers[0].write_all(b"what had come").unwrap();
        clients[0].peek(&mut [0; 1]).unwrap();
        let local = clients[0].local_addr().unwrap();
        assert!(cut((local, place)).unwrap());
        let mut had_come = String::new();
        clients[0].read_to_string(&mut had_come).unwrap();
        assert_eq!(had_come, "what had come");
        servers[1].write_all(b"goes on").unwrap();
        clients[1].read_exact(&mut [0; 7]).unwrap();
        drop(clients);
        assert!(!cut((local, place)).unwrap(), "there is none any more");
    }

    #[test]
    fn an_ipv4_address_within_ipv6_is_that_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let Ok(_client) = TcpStream::connect((Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]), place.port())) else {
            println!("SKIPPED: this machine speaks no IPv6");
            return;
        };
        assert_eq!(connections(|peer| peer == place).unwrap().len(), 1);
        let linked = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]), 554, 0, 2));
        assert_eq!(plain(linked), "[fe80::1]:554".parse().unwrap());
    }
}
