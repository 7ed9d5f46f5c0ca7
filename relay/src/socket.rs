//! Sockets as the relay wants them.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use crate::config::{Listen, Patience};

const BACKLOG: i32 = 4096;

/// Load balancers forget connections that are silent for 350 s.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Listens; the listener doesn't block.
pub(crate) fn listen(at: &Listen) -> Result<TcpListener> {
    let open = || {
        let addresses = (at.host.as_str(), at.port).to_socket_addrs()?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match listen_on(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    };
    open().with_context(|| format!("listen on {}:{}", at.host, at.port))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A relay that is started again doesn't wait for the old one's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Prepares a connection to somebody who only takes.
pub(crate) fn prepare(stream: &TcpStream, patience: &Patience) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    // Left alone the kernel holds megabytes for everybody who is slow.
    socket.set_send_buffer_size(patience.send_buffer_bytes)?;
    socket.set_tcp_user_timeout(Some(patience.user_timeout))?;
    keep_alive(&socket)
}

/// Prepares the connection to the channel source.
pub(crate) fn prepare_source(stream: &TcpStream) -> io::Result<()> {
    keep_alive(&SockRef::from(stream))
}

fn keep_alive(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))
}
