//! Who may ask. Any page in a browser can send requests to this machine, and a name of its own can be made to point here (DNS
//! rebinding), so every request must show that it comes from the page of this server.

use super::http::{Request, Response};
use crate::data::hex;

/// Bytes of a token.
const TOKEN: usize = 16;

/// Checks requests to a server.
pub struct Guard {
    port: u16,
    token: String,
}

impl Guard {
    /// A guard with a random token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(port: u16) -> Result<Guard, getrandom::Error> {
        let mut bytes = [0; TOKEN];
        getrandom::fill(&mut bytes)?;
        Ok(Guard { port, token: hex(&bytes) })
    }

    /// The address to open. It is exchanged for a cookie, so that it is not left in the browser's history.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// Cookies are shared by all ports of a host, so the name has the port.
    fn cookie(&self) -> String {
        format!("mnist-gpu-{}", self.port)
    }

    /// Checks a request. `Some` is the response to one that needs nothing else: the exchange of the token.
    ///
    /// # Errors
    /// The response to a request that is refused.
    pub fn check(&self, request: &Request) -> Result<Option<Response>, Response> {
        let host = request.header("host").ok_or_else(|| Response::error(400, "the request names no host"))?;
        if !self.is_here(host) {
            return Err(Response::error(421, "this server answers only to 127.0.0.1"));
        }
        if let Some(origin) = request.header("origin")
            && !origin.strip_prefix("http://").is_some_and(|host| self.is_here(host))
        {
            return Err(Response::error(403, "another page may not ask this server"));
        }
        if let Some(site) = request.header("sec-fetch-site")
            && !["same-origin", "none"].contains(&site)
        {
            let text = "another page may not ask this server; paste its address into the browser's address bar";
            return Err(Response::error(403, text));
        }
        if !["GET", "POST"].contains(&request.method.as_str()) {
            return Err(Response::error(405, "only GET and POST are known"));
        }
        if (&*request.method, &*request.path) == ("GET", "/")
            && request.query("token").is_some_and(|token| is_same(token, &self.token))
        {
            let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie(), self.token);
            let to_page = Response::new(303, "text/plain", "").with("Location", "/".into());
            return Ok(Some(to_page.with("Set-Cookie", cookie)));
        }
        let cookies = request.header("cookie").unwrap_or("");
        let start = self.cookie() + "=";
        let is_known =
            |cookie: &str| cookie.trim().strip_prefix(&start).is_some_and(|token| is_same(token, &self.token));
        if !cookies.split(';').any(is_known) {
            let text = "open the address that mnist-gpu serve has printed: it has a token that this one lacks";
            return Err(Response::error(401, text));
        }
        // A form of another page cannot send these types without being asked first.
        let kinds = ["application/json", "application/octet-stream"];
        let kind = request.header("content-type").unwrap_or("").split(';').next().unwrap_or("").trim();
        if request.method == "POST" && !kinds.contains(&kind) {
            return Err(Response::error(415, "a body must be JSON or an octet stream"));
        }
        Ok(None)
    }

    fn is_here(&self, host: &str) -> bool {
        // Port 80 is left out by browsers.
        let is_known = |name: &str| ["127.0.0.1", "localhost", "[::1]"].contains(&name);
        host.strip_suffix(&format!(":{}", self.port)).is_some_and(is_known) || self.port == 80 && is_known(host)
    }
}

/// Compares tokens in a time that does not depend on where they differ.
fn is_same(found: &str, token: &str) -> bool {
    found.len() == token.len() && found.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_compared_as_a_whole() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abd", "abcd", "Abc"] {
            assert!(!is_same(other, "abc"), "{other}");
        }
        let guards = [Guard::new(1).unwrap(), Guard::new(1).unwrap()];
        assert!(guards[0].token.len() == 32 && guards[0].token != guards[1].token);
    }
}
