//! The floor: a server that does nothing but write 64 KB to each of its viewers, over and over.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;

use anyhow::Result;
use rustix::event::epoll;

const WRITE_BYTES: usize = 64 << 10;

/// Takes `viewers` connections on `port` of the loopback interface, then writes to them until it is killed.
pub fn serve(port: u16, viewers: usize) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sockets = Vec::with_capacity(viewers);
    while sockets.len() < viewers {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let index = sockets.len() as u64;
        epoll::add(&poll, &socket, epoll::EventData::new_u64(index), epoll::EventFlags::OUT)?;
        sockets.push(socket);
    }
    let buffer = vec![0x47; WRITE_BYTES];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match (&sockets[event.data.u64() as usize]).write(&buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        }
    }
}
