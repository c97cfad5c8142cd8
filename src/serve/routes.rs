//! The addresses of the server.

use super::guard::Guard;
use super::http::{self, Request, Response};
use super::queue::{Ask, Hub, Queue, Reply};
use super::runs::{Runs, Tail};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Files of the page: address, type and content.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("../../assets/web/serve.html")),
    ("/style.css", "text/css", include_str!("../../assets/web/style.css")),
    ("/serve.css", "text/css", include_str!("../../assets/web/serve.css")),
    ("/serve.js", "text/javascript", include_str!("../../assets/web/serve.js")),
    ("/canvas.js", "text/javascript", include_str!("../../assets/web/canvas.js")),
    ("/answer.js", "text/javascript", include_str!("../../assets/web/answer.js")),
    ("/chart.js", "text/javascript", include_str!("../../assets/web/chart.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("../../assets/web/favicon.svg")),
];

/// Maximum size of a body, and of a picture file.
const BODY: usize = 1 << 20;
const PICTURE: usize = 32 << 20;
/// Sides of a drawing.
const SIDES: std::ops::RangeInclusive<usize> = 28..=1000;
/// How often a growing log is read, and how often a stream shows that it is alive.
const READ_LOG: Duration = Duration::from_millis(200);
const ALIVE: Duration = Duration::from_secs(5);

/// The state that requests are answered from.
pub struct Routes {
    pub guard: Guard,
    pub queue: Arc<Queue>,
    pub hub: Arc<Hub>,
    /// Set to stop a training.
    pub halt: &'static AtomicBool,
    pub stop: &'static AtomicBool,
    pub runs: Runs,
}

impl Routes {
    /// Reads a request from a connection and answers it.
    pub fn answer(&self, connection: &TcpStream) {
        let mut early = None;
        let limit = |request: &Request| {
            early = self.guard.check(request)?;
            Ok(if request.path == "/picture" { PICTURE } else { BODY })
        };
        let response = match http::read(connection, limit) {
            Err(refused) => refused,
            Ok(_) if early.is_some() => early.unwrap_or_else(|| Response::error(500, "")),
            Ok(request) if request.path == "/events" => match request.query("run").map(|name| self.runs.find(name)) {
                Some(None) => Response::error(404, "there is no such run"),
                run => return self.events(connection, run.flatten().as_deref()),
            },
            Ok(request) => self.route(request),
        };
        response.send(connection);
        http::finish(connection);
    }

    fn route(&self, request: Request) -> Response {
        let Request { method, path, body, .. } = &request;
        if let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| known == path) {
            return if method == "GET" { Response::new(200, kind, *text) } else { not_allowed() };
        }
        let width = request.query("width").and_then(|width| width.parse::<usize>().ok()).unwrap_or(0);
        let is_side = |side: usize| SIDES.contains(&side);
        let is_drawing = is_side(width) && body.len().is_multiple_of(width) && is_side(body.len() / width);
        let drawn = || match is_drawing {
            true => Ok(body.clone()),
            false => {
                Err(Response::error(400, "a drawing has a byte for each of 28x28 to 1000x1000 pixels, and a width"))
            }
        };
        let ask = match (&**method, &**path) {
            ("GET", "/state") => Ask::State,
            ("GET", "/runs") => return Response::json(&self.runs.list()),
            ("GET", "/drawings.zip") => Ask::Archive,
            ("GET", "/model.safetensors") => Ask::Model,
            ("POST", "/look") => match drawn() {
                Ok(ink) => Ask::Look { ink, width },
                Err(refused) => return refused,
            },
            ("POST", "/picture") => Ask::LookAtFile(body.clone()),
            ("POST", "/keep") => match drawn() {
                Ok(ink) => Ask::Keep { class: request.query("class").unwrap_or("").into(), ink, width },
                Err(refused) => return refused,
            },
            ("POST", "/take-back") => Ask::TakeBack,
            ("POST", "/teach") => Ask::Teach,
            ("POST", "/halt") => {
                self.halt.store(true, Ordering::Relaxed);
                return Response::json(&json!({}));
            }
            ("POST", "/unteach") => Ask::Unteach,
            ("POST", "/save") => Ask::Save,
            (_, "/state" | "/runs" | "/drawings.zip" | "/model.safetensors" | "/look" | "/picture" | "/keep") => {
                return not_allowed();
            }
            (_, "/take-back" | "/teach" | "/halt" | "/unteach" | "/save") => return not_allowed(),
            _ => return Response::error(404, "there is nothing here"),
        };
        let Some(answer) = self.queue.ask(ask) else { return Response::error(503, "too much is waiting already") };
        match answer.recv() {
            Ok(Reply::Json(value)) => Response::json(&value),
            Ok(Reply::File(name, bytes)) => Response::new(200, "application/octet-stream", bytes)
                .with("Content-Disposition", format!("attachment; filename=\"{name}\"")),
            Ok(Reply::Error(text)) => Response::error(422, text),
            // A newer drawing has taken its place, or the server ends.
            Err(_) => Response::json(&json!({"newer": true})),
        }
    }

    /// Tells a page what happens, as server-sent events, and the events of a run, those that are in its log and those to come. A
    /// page has one stream, since browsers open few connections to a server.
    fn events(&self, connection: &TcpStream, run: Option<&Path>) {
        let events = self.hub.listen();
        let mut tail = run.map(Tail::new);
        self.stream(connection, |to| {
            let lines = tail.as_mut().and_then(Tail::lines).unwrap_or_default();
            // Lines that are no JSON are not from this program.
            let mut of_run = lines.iter().filter(|line| serde_json::from_str::<Value>(line).is_ok());
            if !of_run.all(|line| send(to, "run", line)) {
                return false;
            }
            let patience = if lines.is_empty() { READ_LOG } else { Duration::ZERO };
            match events.recv_timeout(patience) {
                Ok(event) => send(to, "message", &event),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => true,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => false,
            }
        });
    }

    /// Sends a stream for as long as `next` does, and as someone listens.
    fn stream(&self, mut connection: &TcpStream, mut next: impl FnMut(&TcpStream) -> bool) {
        let head = Response::new(200, "text/event-stream", "").head(None);
        let _ = connection.set_nodelay(true);
        if connection.write_all(head.as_bytes()).is_err() {
            return;
        }
        let mut alive = Instant::now();
        while next(connection) && !self.stop.load(Ordering::Relaxed) {
            if alive.elapsed() > ALIVE {
                alive = Instant::now();
                if connection.write_all(b": alive\n\n").is_err() {
                    return;
                }
            }
        }
    }
}

fn not_allowed() -> Response {
    Response::error(405, "this address takes another method")
}

/// Sends an event; false if nobody listens.
fn send(mut to: &TcpStream, kind: &str, event: &str) -> bool {
    to.write_all(format!("event: {kind}\ndata: {event}\n\n").as_bytes()).is_ok()
}
