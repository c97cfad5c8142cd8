//! A page to draw on, served on this machine alone, with the device behind it.
//!
//! `http` reads requests, `guard` decides who may ask, `routes` answers them; what needs the device waits in a `queue`
//! for the `studio`, which owns the model and the drawings. A connection has a thread of its own.

mod drawings;
mod guard;
mod http;
mod look;
mod queue;
mod routes;
mod runs;
mod studio;
mod teach;

use crate::data::Locator;
use crate::explain::ExplainError;
use crate::gpu::Device;
use crate::model::Model;
use crate::text::Argument;
use crate::train::TrainError;
use guard::Guard;
use http::Response;
use queue::{Hub, Queue};
use routes::Routes;
use runs::Runs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use studio::Studio;

/// Maximum number of connections at a time.
const CONNECTIONS: usize = 16;

/// A server that has not begun to answer.
pub struct Server {
    listener: TcpListener,
    guard: Guard,
}

/// The model and folders that a server shows.
pub struct Shown {
    pub model: Model,
    /// Its name on the page, and the file of a run's model, which is read again when a training replaces it.
    pub name: String,
    pub followed: Option<PathBuf>,
    /// The folder for drawings.
    pub drawings: PathBuf,
    /// The set that the model has learned from, if it was named.
    pub old: Option<PathBuf>,
    pub locator: Locator,
    /// The folder of runs, and one that was named.
    pub runs: PathBuf,
    pub run: Option<PathBuf>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    #[error("cannot listen on port {port} of 127.0.0.1: {reason}; choose another --port, or 0 for any that is free")]
    Port { port: u16, reason: std::io::Error },
    #[error("the system has no random numbers for a token: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Model(#[from] ExplainError),
    #[error("{0}; give the set that the model has learned from, or omit {argument}", argument = Argument("keep-testing"))]
    Old(String),
}

impl Server {
    /// Takes a port of this machine, which no other machine can reach; 0 is any that is free.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn bind(port: u16) -> Result<Server, ServeError> {
        let failed = |reason| ServeError::Port { port, reason };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Server { listener, guard: Guard::new(port).map_err(ServeError::Random)? })
    }

    /// The address of the page, with the token that opens it.
    pub fn address(&self) -> String {
        self.guard.address()
    }

    /// Answers until `stop` is set. `ready` is called when the first request can be answered.
    ///
    /// # Errors
    /// If the model does not fit the device, or the device fails.
    pub fn run(
        self,
        device: &Device,
        shown: Shown,
        stop: &'static AtomicBool,
        ready: impl FnOnce(),
    ) -> Result<(), ServeError> {
        static HALT: AtomicBool = AtomicBool::new(false);
        let runs = Runs::new(shown.runs.clone(), shown.run.clone());
        let (queue, hub) = (Arc::new(Queue::default()), Arc::new(Hub::default()));
        let studio = Studio::new(device, &hub, stop, &HALT, shown)?;
        let routes = Routes { guard: self.guard, queue: queue.clone(), hub: hub.clone(), halt: &HALT, stop, runs };
        let (listener, routes) = (self.listener, Arc::new(routes));
        // It ends with the process: nothing else wakes it while it waits for a connection.
        std::thread::spawn(move || accept(&listener, &routes));
        ready();
        Ok(studio.run(&queue)?)
    }
}

/// Gives each connection a thread.
fn accept(listener: &TcpListener, routes: &Arc<Routes>) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                Response::error(503, "too many connections; close other tabs with this page").send(&connection);
                http::finish(&connection);
            });
            continue;
        }
        let (routes, open) = (routes.clone(), open.clone());
        std::thread::spawn(move || {
            routes.answer(&connection);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
