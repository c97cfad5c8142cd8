//! HTTP/1.1, as much of it as a page on this machine needs: one request per connection, with limits and deadlines.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Limits of a request.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// Time to send a request, and to take a response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time to read a response before the connection ends.
const LINGER: Duration = Duration::from_secs(1);

/// The content security policy of pages: only files of this server are loaded. WGSL, eval and styles in attributes are not needed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A request.
#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded pairs of the query.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header; `None` without it, and `Some("")` if it occurs twice, which no check accepts.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Some(""),
            (one, _) => one,
        }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub kind: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, kind, headers: Vec::new(), body: body.into() }
    }

    pub fn json(value: &serde_json::Value) -> Response {
        Response::new(200, "application/json", value.to_string())
    }

    /// An error that is told to the user.
    pub fn error(status: u16, text: impl std::fmt::Display) -> Response {
        let body = serde_json::json!({"error": text.to_string()}).to_string();
        Response { status, ..Response::new(status, "application/json", body) }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: String) -> Response {
        self.headers.push((name, value));
        self
    }

    /// The head: everything before the body. Without `length` the body ends with the connection.
    pub fn head(&self, length: Option<usize>) -> String {
        let reason = match self.status {
            200 => "OK",
            303 => "See Other",
            _ => "Error",
        };
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\n",
            self.status, self.kind
        );
        if let Some(length) = length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// Sends it. A client that has gone away is nobody's error.
    pub fn send(&self, mut to: &TcpStream) {
        let _ = to.write_all(self.head(Some(self.body.len())).as_bytes()).and_then(|()| to.write_all(&self.body));
    }
}

/// Ends a connection once the client has read the response. What it still sends is read and dropped: closing before that would
/// reset the connection, and the response might be lost.
pub fn finish(mut connection: &TcpStream) {
    let _ = connection.shutdown(std::net::Shutdown::Write);
    let _ = connection.set_read_timeout(Some(LINGER));
    let (until, mut dropped) = (Instant::now() + LINGER, [0; 16 << 10]);
    while Instant::now() < until && connection.read(&mut dropped).is_ok_and(|read| read > 0) {}
}

/// Reads a request. `limit` decides from its head how large its body may be, or refuses it before the body is read.
///
/// # Errors
/// The response to a request that is malformed, too large, too slow, or refused.
pub fn read(from: &TcpStream, limit: impl FnOnce(&Request) -> Result<usize, Response>) -> Result<Request, Response> {
    let _ = from.set_write_timeout(Some(PATIENCE));
    let deadline = Instant::now() + PATIENCE;
    let timeout = || Response::error(408, "the request was too slow");
    // Reads more, up to `most` bytes in all.
    let take = |bytes: &mut Vec<u8>, most: usize| -> Result<(), Response> {
        let most = most - bytes.len();
        let mut from = from;
        let left =
            deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(timeout)?;
        let _ = from.set_read_timeout(Some(left));
        let mut part = vec![0; most.min(64 << 10)];
        match from.read(&mut part) {
            Ok(0) => Err(Response::error(400, "the request ends too early")),
            Ok(read) => {
                bytes.extend_from_slice(&part[..read]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(timeout()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(_) => Err(Response::error(400, "the connection broke")),
        }
    };
    let mut bytes = Vec::new();
    let (mut request, body_at) = loop {
        if let Some(parsed) = parse(&bytes)? {
            break parsed;
        }
        if bytes.len() >= LONGEST_HEAD {
            return Err(Response::error(431, "the request's headers are too long"));
        }
        take(&mut bytes, LONGEST_HEAD)?;
    };
    let most = limit(&request)?;
    if request.header("transfer-encoding").is_some() {
        return Err(Response::error(501, "a body needs a Content-Length"));
    }
    let length = match (request.header("content-length"), request.method.as_str()) {
        (None, "POST") => return Err(Response::error(411, "a body needs a Content-Length")),
        (None, _) => 0,
        (Some(length), _) if length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse::<usize>().map_err(|_| Response::error(413, "the body is too large"))?
        }
        _ => return Err(Response::error(400, "the Content-Length is not a number")),
    };
    if length > most {
        return Err(Response::error(413, format!("the body has {length} bytes, but at most {most} are accepted")));
    }
    let mut body = bytes.split_off(body_at);
    while body.len() < length {
        take(&mut body, length)?;
    }
    body.truncate(length);
    request.body = body;
    Ok(request)
}

/// Parses the head of a request, and where its body begins. `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Response> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let at = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(at)) => at,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Response::error(431, "the request has too many headers")),
        Err(_) => return Err(Response::error(400, "this is not an HTTP request")),
    };
    let (path, query) = parsed.path.unwrap_or("").split_once('?').unwrap_or((parsed.path.unwrap_or(""), ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    let query: Option<Vec<_>> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let header = |header: &httparse::Header| {
        let value = String::from_utf8(header.value.to_vec()).ok()?;
        Some((header.name.to_ascii_lowercase(), value.trim().to_string()))
    };
    let headers: Option<Vec<_>> = parsed.headers.iter().map(header).collect();
    match (query, headers) {
        (Some(query), Some(headers)) => {
            let (method, path) = (parsed.method.unwrap_or("").into(), path.into());
            Ok(Some((Request { method, path, query, headers, body: Vec::new() }, at)))
        }
        _ => Err(Response::error(400, "the request is not valid UTF-8")),
    }
}

/// Decodes `%41` and `+`. `None` if the result is not UTF-8, or a code is incomplete.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let code = rest.get(..2).and_then(|code| std::str::from_utf8(code).ok())?;
                bytes.push(u8::from_str_radix(code, 16).ok()?);
                rest = &rest[2..];
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_when_it_is_complete() {
        let text = b"POST /keep?class=%C3%A9+1&x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX: 1\r\nx: 2\r\n\r\nbody";
        assert!(parse(&text[..40]).unwrap().is_none());
        let (request, at) = parse(text).unwrap().unwrap();
        assert_eq!((&*request.method, &*request.path, &text[at..]), ("POST", "/keep", &b"body"[..]));
        assert_eq!(
            (request.query("class"), request.query("x"), request.query("y")),
            (Some("\u{e9} 1"), Some(""), None)
        );
        assert_eq!((request.header("host"), request.header("none")), (Some("127.0.0.1:80"), None));
        // A header that occurs twice means two things.
        assert_eq!(request.header("x"), Some(""));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (text, status) in [
            (&b"hello there\r\n\r\n"[..], 400),
            (b"GET /%ff HTTP/1.1\r\n\r\n", 0),
            (b"GET /?a=%ff HTTP/1.1\r\n\r\n", 400),
            (b"GET /?a=%4 HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nA: \xff\r\n\r\n", 400),
        ] {
            let found = parse(text).map_or_else(|response| response.status, |_| 0);
            assert_eq!(found, status, "{}", String::from_utf8_lossy(text));
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(65));
        assert_eq!(parse(many.as_bytes()).unwrap_err().status, 431);
    }
}
