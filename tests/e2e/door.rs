//! A door in front of a server: while it is closed, nobody gets through and whoever was through is cut off.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::task::JoinHandle;

/// An open door at an address of its own. Dropping it closes it for good.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    is_open: Sender<bool>,
    porter: JoinHandle<()>,
}

impl Door {
    /// A door in front of the server at `url`.
    pub async fn before(url: &str) -> Result<Self> {
        let server = url.strip_prefix("http://").context("an address of HTTP")?.parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (is_open, seen) = watch::channel(true);
        let porter = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                if *seen.borrow() {
                    tokio::spawn(pass(connection, server, seen.clone()));
                }
            }
        });
        Ok(Self { address, is_open, porter })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes it.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Opens it again.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.porter.abort();
    }
}

async fn pass(mut connection: TcpStream, server: SocketAddr, mut seen: Receiver<bool>) {
    let Ok(mut behind) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut connection, &mut behind) => {}
        _ = seen.wait_for(|is_open| !is_open) => {}
    }
}
