//! The server of the page to draw on: who may ask, what is limited, and what the page can do.

use crate::{Place, digits};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Side of a drawing.
const SIDE: usize = 280;

/// A server that runs.
struct Server {
    child: Child,
    port: u16,
    token: String,
}

/// A response.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Server {
    fn start(place: &Place, args: &[&str]) -> Server {
        let mut child = place
            .command(&[&["serve", "--no-open", "--offline"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://127.0.0.1:").unwrap_or_else(|| panic!("{line:?}"));
        let (port, token) = rest.split_once("/?token=").unwrap();
        Server { port: port.parse().unwrap(), token: token.into(), child }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes and reads the answer until the connection ends.
    fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head") + 4;
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        Answer { status: head[9..12].parse().unwrap(), head, body: all[end..].to_vec() }
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}\r\n", self.port)
    }

    fn cookie(&self) -> String {
        format!("Cookie: mnist-gpu-{}={}\r\n", self.port, self.token)
    }

    /// Asks as the page does.
    fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\n{}{}\r\n", self.host(), self.cookie()).as_bytes())
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        let kind = "Content-Type: application/octet-stream\r\n";
        let (host, cookie, length) = (self.host(), self.cookie(), body.len());
        let head = format!("POST {path} HTTP/1.1\r\n{host}{cookie}{kind}Content-Length: {length}\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The ink of a bar that leans by some pixels.
fn bar(lean: usize) -> Vec<u8> {
    let is_ink = |y: usize, x: usize| {
        let middle = 140 - lean / 2 + lean * y / SIDE;
        (50..230).contains(&y) && (middle - 10..middle + 10).contains(&x)
    };
    (0..SIDE * SIDE).map(|at| if is_ink(at / SIDE, at % SIDE) { 255 } else { 0 }).collect()
}

/// The ink of a ring, or of a square without its inside.
fn closed(is_round: bool, size: f32) -> Vec<u8> {
    let distance = |at: usize| {
        let (y, x) = ((at / SIDE) as f32 - 140.0, (at % SIDE) as f32 - 140.0);
        if is_round { y.hypot(x) } else { y.abs().max(x.abs()) }
    };
    (0..SIDE * SIDE).map(|at| if (distance(at) - size).abs() < 10.0 { 255 } else { 0 }).collect()
}

#[test]
fn only_the_page_itself_is_answered() {
    let place = Place::new();
    let server = Server::start(&place, &["pretrained"]);
    let (host, cookie) = (server.host(), server.cookie());
    let get = |headers: &str| server.send(format!("GET /state HTTP/1.1\r\n{headers}\r\n").as_bytes());
    let status = |headers: &str| get(headers).status;
    assert_eq!(status(&format!("{host}{cookie}")), 200);
    // A name of another page that points here (DNS rebinding), even with the cookie.
    let port = server.port;
    for other in ["evil.example", "127.0.0.2", "127.0.0.1.evil.example", "localhost.evil.example"] {
        assert_eq!(status(&format!("Host: {other}:{port}\r\n{cookie}")), 421, "{other}");
    }
    assert_eq!(status(&format!("Host: 127.0.0.1:{}\r\n{cookie}", port ^ 1)), 421);
    assert_eq!(status(&format!("{host}{host}{cookie}")), 421);
    assert_eq!(status(&cookie), 400);
    for name in ["localhost", "[::1]"] {
        assert_eq!(status(&format!("Host: {name}:{port}\r\n{cookie}")), 200, "{name}");
    }
    // Requests of another page to this address.
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        assert_eq!(status(&format!("{host}{cookie}Origin: {origin}\r\n")), 403, "{origin}");
    }
    assert_eq!(status(&format!("{host}{cookie}Origin: http://127.0.0.1:{port}\r\n")), 200);
    for site in ["cross-site", "same-site"] {
        assert_eq!(status(&format!("{host}{cookie}Sec-Fetch-Site: {site}\r\n")), 403, "{site}");
    }
    // Without the token, or with another one.
    let wrong = "0".repeat(server.token.len());
    assert_eq!(status(&host), 401);
    assert_eq!(status(&format!("{host}Cookie: mnist-gpu-{port}={wrong}\r\n")), 401);
    assert_eq!(status(&format!("{host}Cookie: other={}\r\n", server.token)), 401);
    let ask = |path: &str| server.send(format!("GET {path} HTTP/1.1\r\n{host}\r\n").as_bytes());
    assert_eq!((ask("/").status, ask(&format!("/?token={wrong}")).status), (401, 401));
    assert_eq!(ask(&format!("/state?token={}", server.token)).status, 401, "the token opens the page only");
    let opened = ask(&format!("/?token={}", server.token));
    assert!(opened.status == 303 && opened.head.contains("Location: /\r\n"), "{opened:?}");
    assert!(opened.head.contains("; HttpOnly; SameSite=Strict; Path=/\r\n"), "{opened:?}");
    // What a form of another page could send, and what no page sends.
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n";
    assert_eq!(server.send(format!("POST /teach HTTP/1.1\r\n{host}{cookie}{form}\r\n").as_bytes()).status, 415);
    for method in ["OPTIONS", "PUT", "DELETE"] {
        assert_eq!(
            server.send(format!("{method} / HTTP/1.1\r\n{host}{cookie}\r\n").as_bytes()).status,
            405,
            "{method}"
        );
    }
    // Nothing is changed by a GET.
    for path in ["/teach", "/keep", "/take-back", "/unteach", "/save", "/halt"] {
        assert_eq!(server.get(path).status, 405, "{path}");
    }
    assert_eq!((server.get("/other").status, server.get("/../Cargo.toml").status), (404, 404));
    for path in ["/", "/state", "/serve.js"] {
        let head = server.get(path).head;
        assert!(!head.contains("Access-Control"), "{head}");
        for header in ["Content-Security-Policy: default-src 'none'; script-src 'self'", "nosniff", "no-store"] {
            assert!(head.contains(header), "{head}");
        }
    }
}

#[test]
fn requests_have_limits() {
    let place = Place::new();
    let server = Server::start(&place, &["pretrained"]);
    let (host, cookie) = (server.host(), server.cookie());
    let kind = "Content-Type: application/octet-stream\r\n";
    let post =
        |rest: &str| server.send(format!("POST /look?width=280 HTTP/1.1\r\n{host}{cookie}{kind}{rest}").as_bytes());
    assert_eq!(post("\r\n").status, 411);
    assert_eq!(post("Content-Length: 2000000\r\n\r\n").status, 413);
    assert_eq!(post("Content-Length: 99999999999999999999999\r\n\r\n").status, 413);
    assert_eq!(post("Content-Length: -1\r\n\r\n").status, 400);
    assert_eq!(post("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status, 501);
    // A client that is not known cannot even send a body.
    let long = format!("POST /look HTTP/1.1\r\n{host}{kind}Content-Length: 1000000\r\n\r\n");
    assert_eq!(server.send(long.as_bytes()).status, 401);
    assert_eq!(server.send(format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(20_000)).as_bytes()).status, 431);
    assert_eq!(server.send(b"\x16\x03\x01 hello\r\n\r\n").status, 400);
    for (path, body) in [
        ("/look?width=0", 10),
        ("/look?width=280", 281),
        ("/look", 280),
        ("/look?width=1", 5000),
        ("/look?width=1", 1000),
        ("/look?width=280", 280 * 27),
        ("/look?width=9", 0),
    ] {
        assert_eq!(server.post(path, &vec![0; body]).status, 400, "{path}");
    }
    // One that says nothing is cut off, and does not keep others from being answered.
    let began = Instant::now();
    let mut silent = server.connect();
    silent.write_all(b"GET / HT").unwrap();
    assert_eq!(server.get("/state").status, 200);
    let mut told = String::new();
    silent.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    assert!((8..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    // Too many at a time are refused.
    let held: Vec<TcpStream> = (0..16).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.get("/state").status, 503);
    drop(held);
}

#[test]
fn a_drawing_is_answered_as_predict_answers_it() {
    let place = Place::new();
    let server = Server::start(&place, &["pretrained"]);
    let drawn = server.post("/look?width=280", &bar(20)).json();
    let paper: Vec<u8> = bar(20).iter().map(|ink| 255 - ink).collect();
    image::GrayImage::from_raw(280, 280, paper).unwrap().save(place.path("bar.png")).unwrap();
    let told = place.json(&["predict", "pretrained", "bar.png"])["predictions"][0].clone();
    assert_eq!((&drawn["class"], &drawn["class"]), (&told["class"], &"1".into()));
    let probability = |class: &Value| {
        let all = drawn["classes"].as_array().unwrap();
        all.iter().find(|one| one["class"] == *class).unwrap()["probability"].as_f64().unwrap()
    };
    for one in told["top"].as_array().unwrap() {
        assert!((probability(&one["class"]) - one["probability"].as_f64().unwrap()).abs() < 1e-5, "{one}");
    }
    assert_eq!(drawn["layers"].as_array().unwrap().len(), 9);
    assert_eq!(
        (&drawn["layers"][3]["name"], &drawn["layers"][3]["shape"]),
        (&"conv2".into(), &serde_json::json!([20, 8, 8]))
    );
    // A file of the same picture, and what is said of empty and of several.
    let file = server.post("/picture", &std::fs::read(place.path("bar.png")).unwrap()).json();
    assert_eq!(file["image"], drawn["image"]);
    assert_eq!(server.post("/look?width=280", &vec![0; SIDE * SIDE]).json()["ink"], false);
    let two: Vec<u8> = (0..SIDE * SIDE)
        .map(|at| {
            if [60, 200].iter().any(|x| (at % SIDE).abs_diff(*x) < 10) && (60..220).contains(&(at / SIDE)) {
                255
            } else {
                0
            }
        })
        .collect();
    let several = server.post("/look?width=280", &two).json();
    assert!(several["note"].as_str().unwrap().starts_with("2 characters are in view"), "{several}");
    let bad = server.post("/picture", b"no picture");
    assert!(bad.status == 422 && bad.json()["error"].as_str().unwrap().contains("not a PNG"), "{bad:?}");
}

#[test]
fn a_new_class_is_learned_and_the_old_ones_are_kept() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--epochs", "20", "--lr", "0.05", "--out", "run"]);
    let server = Server::start(&place, &["run", "--drawings", "mine"]);
    let refused = server.post("/teach", b"");
    assert!(refused.status == 422 && refused.json()["error"].as_str().unwrap().contains("no drawings"), "{refused:?}");
    let keep = |class: &str, ink: &[u8]| server.post(&format!("/keep?width=280&class={class}"), ink);
    for name in ["", "..", "a%2Fb", "test", "a%00"] {
        assert_eq!(keep(name, &bar(0)).status, 422, "{name}");
    }
    for size in 0..8 {
        assert_eq!(keep("ring", &closed(true, 60.0 + 5.0 * size as f32)).status, 200);
        assert_eq!(keep("square", &closed(false, 60.0 + 5.0 * size as f32)).status, 200);
    }
    let state = keep("square", &bar(0)).json();
    assert_eq!(state["drawings"]["classes"][1], serde_json::json!({"class": "square", "drawings": 9}));
    // The last one was none.
    let state = server.post("/take-back", b"").json();
    assert_eq!((&state["can_take_back"], &state["drawings"]["classes"][1]["drawings"]), (&16.into(), &8.into()));
    assert!(!place.path("mine/square/00009.png").exists());

    let mut events = server.connect();
    events.write_all(format!("GET /events HTTP/1.1\r\n{}{}\r\n", server.host(), server.cookie()).as_bytes()).unwrap();
    let mut lines = BufReader::new(events).lines().map(Result::unwrap);
    // Once the head is there, it listens.
    assert!(lines.by_ref().take_while(|line| !line.is_empty()).count() > 5);
    let state = server.post("/teach", b"").json();
    let taught = &state["taught"];
    assert_eq!(taught["drawings"], serde_json::json!({"before": 0, "after": 16, "of": 16}));
    // The set is found by the name that the model has of it.
    let (before, after) = (taught["old"]["before"].as_f64().unwrap(), taught["old"]["after"].as_f64().unwrap());
    assert!(before > 0.8 && after > before - 0.05, "{taught}");
    assert_eq!(state["classes"].as_array().unwrap().len(), 12);
    let mut lines = lines.filter(|line| line.starts_with("data: "));
    assert!(lines.next().unwrap().contains("teaching"));
    assert!(lines.next().unwrap().contains("\"epoch\":1"));
    // Others of their kind.
    for size in [63.0, 77.0, 91.0] {
        for (is_round, class) in [(true, "ring"), (false, "square")] {
            let told = server.post("/look?width=280", &closed(is_round, size)).json();
            assert_eq!(told["class"], class, "{size}: {}", told["classes"]);
        }
    }
    // What was saved is a model like any other, and the folder a data set.
    let saved = server.post("/save", b"").json()["saved"].as_str().unwrap().to_string();
    assert_eq!(saved, "taught.safetensors");
    let eval = place.json(&["eval", &saved, "--data", &digits]);
    assert!((eval["accuracy"].as_f64().unwrap() - after).abs() < 1e-9, "{}", eval["accuracy"]);
    assert_eq!(place.json(&["data", "info", "mine"])["classes"], 2);
    let archive = server.get("/drawings.zip");
    assert!(archive.head.contains("filename=\"drawings.zip\""));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive.body)).unwrap();
    assert_eq!(archive.len(), 16);
    let mut file = Vec::new();
    archive.by_name("drawings/ring/00001.png").unwrap().read_to_end(&mut file).unwrap();
    assert_eq!(file, std::fs::read(place.path("mine/ring/00001.png")).unwrap());
    assert_eq!(server.get("/model.safetensors").body, std::fs::read(place.path(&saved)).unwrap());
    // And all can be undone.
    let state = server.post("/unteach", b"").json();
    assert_eq!((state["classes"].as_array().unwrap().len(), &state["can_unteach"]), (10, &0.into()));
    assert_eq!(server.post("/unteach", b"").status, 422);
}

#[test]
fn a_run_is_shown_while_it_goes_on() {
    let place = Place::new();
    // A run that has just begun, as another process would write it.
    let run = place.path("runs/new");
    std::fs::create_dir_all(&run).unwrap();
    let start = r#"{"event":"start","command":"train","adapter":{"name":"x"},"config":{"epochs":2},"step":0}"#;
    std::fs::write(run.join("events.jsonl"), format!("{start}\n")).unwrap();
    let lock = std::fs::File::create(run.join("run.lock")).unwrap();
    lock.try_lock().unwrap();
    let server = Server::start(&place, &["runs/new"]);
    let listed = server.get("/runs").json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["state"], &listed[0]["epochs"]),
        (&"new".into(), &"running".into(), &2.into())
    );
    assert_eq!(server.get("/state").json()["model"], "pretrained");
    assert_eq!((server.get("/events?run=..").status, server.get("/events?run=other").status), (404, 404));
    let mut stream = server.connect();
    stream
        .write_all(format!("GET /events?run=new HTTP/1.1\r\n{}{}\r\n", server.host(), server.cookie()).as_bytes())
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.starts_with("data: "));
    assert_eq!(lines.next().unwrap(), format!("data: {start}"));
    let mut log = std::fs::OpenOptions::new().append(true).open(run.join("events.jsonl")).unwrap();
    log.write_all(b"{\"event\":\"step\",\"step\":1,").unwrap();
    log.write_all(b"\"loss\":2.5}\n").unwrap();
    assert_eq!(lines.next().unwrap(), "data: {\"event\":\"step\",\"step\":1,\"loss\":2.5}");
    // A process that is gone has left its run.
    drop(lock);
    assert_eq!(server.get("/runs").json()[0]["state"], "broken off");
    // Its model is taken as soon as there is one.
    place.json(&["train", "--data", &digits(), "--epochs", "1", "--classes", "12", "--out", "other"]);
    std::fs::copy(place.path("other/model.safetensors"), run.join("model.safetensors")).unwrap();
    let known = |server: &Server| server.get("/state").json()["classes"].as_array().unwrap().len();
    let until = Instant::now() + Duration::from_secs(10);
    while known(&server) != 12 {
        assert!(Instant::now() < until, "the model of the run is not taken");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Digits that were drawn by this program take the place of a set that is missing only for a network that reads them.
#[test]
fn a_network_is_not_taught_the_classes_of_another_set() {
    let place = Place::new();
    for class in 0..10_usize {
        let folder = place.path(&format!("signs/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..4 {
            let paper: Vec<u8> = bar(20 * class + number).iter().map(|ink| 255 - ink).collect();
            image::GrayImage::from_raw(280, 280, paper).unwrap().save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    place.json(&["train", "--data", "signs", "--epochs", "3", "--out", "run"]);
    std::fs::rename(place.path("signs"), place.path("moved")).unwrap();
    let server = Server::start(&place, &["run"]);
    server.post("/keep?width=280&class=ring", &closed(true, 70.0));
    let refused = server.post("/teach", b"");
    assert!(
        refused.status == 422 && refused.json()["error"].as_str().unwrap().contains("--keep-testing"),
        "{refused:?}"
    );
    server.post("/keep?width=280&class=3", &bar(60));
    let taught = server.post("/teach", b"").json()["taught"].clone();
    assert!(taught["old"]["missing"].as_str().unwrap().contains("signs"), "{taught}");
    drop(server);
    // Named, it is used.
    let server = Server::start(&place, &["run", "--keep-testing", "moved", "--drawings", "others"]);
    server.post("/keep?width=280&class=ring", &closed(true, 70.0));
    let taught = server.post("/teach", b"").json()["taught"].clone();
    assert_eq!((&taught["old"]["name"], &taught["old"]["instead"]), (&"moved".into(), &Value::Null), "{taught}");
}

#[cfg(unix)]
#[test]
fn it_ends_when_it_is_told_to() {
    let place = Place::new();
    let mut server = Server::start(&place, &["pretrained"]);
    // SAFETY: the process is a child of this one that has not been waited for.
    unsafe { libc::kill(server.child.id() as i32, libc::SIGINT) };
    let until = Instant::now() + Duration::from_secs(10);
    let ended = loop {
        match server.child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => assert!(Instant::now() < until, "it goes on"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    place.fails(&["serve", "pretrained", "--no-open", "--port", &port], &["port", &port, "--port"]);
    place.fails(&["serve", "nowhere", "--no-open"], &["nowhere"]);
    place.fails(&["serve", "pretrained", "--no-open", "--keep-testing", "nowhere"], &["nowhere", "--keep-testing"]);
}
