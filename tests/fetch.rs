//! Fetching, against local servers that behave like real ones: answer, refuse, send wrong content, stop half way, go
//! silent.

use flate2::{Compression, write::GzEncoder};
use mnist_gpu::data::{Check, Checking, Fetcher, File, Known, Layout, is_right};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

#[derive(Clone, Copy)]
enum Behaviour {
    Good,
    /// Different content of the same size.
    WrongContent,
    /// The length of the whole file, but half of its content.
    CutOff,
    Forbidden,
    /// Sends the head and nothing more.
    Silent,
    /// Sends a byte every now and then.
    Slow,
}

/// A server on the loopback interface, which ends with the test's process.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

fn server(behaviour: Behaviour) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            // Errors of clients that disconnect early are ignored.
            std::thread::spawn(move || stream.and_then(|stream| answer(stream, behaviour)));
        }
    });
    Server { url, requests }
}

fn answer(mut stream: TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let name = head.split(' ').nth(1).unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let mut body = content(name);
    if matches!(behaviour, Behaviour::WrongContent) {
        body = gzip(b"something else entirely");
    }
    let status = if matches!(behaviour, Behaviour::Forbidden) { "403 Forbidden" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    match behaviour {
        Behaviour::Good | Behaviour::WrongContent | Behaviour::Forbidden => stream.write_all(&body),
        Behaviour::Slow => body.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(&[*byte])
        }),
        Behaviour::CutOff => stream.write_all(&body[..body.len() / 2]),
        Behaviour::Silent => {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The correct content of a file.
fn content(name: &str) -> Vec<u8> {
    if name == "all.zip" {
        return archive();
    }
    gzip(format!("the right content of {name}").repeat(50).as_bytes())
}

/// A set of four files on these mirrors.
fn set(mirrors: &[&str]) -> Known {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let file = |name: &'static str| {
        let text = format!("the right content of {name}").repeat(50);
        let hex = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
        File { name, check: Check::Sha256(leak(hex)) }
    };
    Known {
        name: "letters",
        title: "a set for this test",
        licence: "none",
        citation: "nobody",
        mirrors: Box::leak(mirrors.iter().map(|m| leak(m.to_string())).collect()),
        files: NAMES.map(file),
        archive: None,
        folder: "letters",
        layout: Layout::default(),
        class_names: "",
        normalisation: None,
    }
}

fn fetch(set: &Known, folder: &Path) -> Result<usize, String> {
    let fetcher = Fetcher { mirror: None, patience: Duration::from_millis(400) };
    fetcher.fetch(set, folder, Checking::Content, &|_, _, _| {}).map_err(|e| e.to_string())
}

fn entries(folder: &Path) -> Vec<String> {
    let list = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = list.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    // Records of files that were checked.
    names.retain(|name| !name.ends_with(".checked"));
    names.sort();
    names
}

#[test]
fn a_good_mirror_gives_all_files_and_progress() {
    let (folder, good) = (tempfile::tempdir().unwrap(), server(Behaviour::Good));
    let set = set(&[&good.url]);
    let told = AtomicUsize::new(0);
    let fetcher = Fetcher { mirror: None, patience: Duration::from_secs(5) };
    let progress = |_: &str, got: u64, of: Option<u64>| {
        assert!(of.is_some_and(|of| got <= of));
        told.fetch_add(1, Ordering::SeqCst);
    };
    assert_eq!(fetcher.fetch(&set, folder.path(), Checking::Changes, &progress).unwrap(), 4);
    assert!(told.load(Ordering::SeqCst) >= 4);
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(entries(folder.path()), names);
    for name in NAMES {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content(name));
    }
}

#[test]
fn what_is_there_and_right_is_not_fetched_again_and_what_is_wrong_is() {
    let (folder, good) = (tempfile::tempdir().unwrap(), server(Behaviour::Good));
    let set = set(&[&good.url]);
    assert_eq!(fetch(&set, folder.path()), Ok(4));
    assert_eq!(fetch(&set, folder.path()), Ok(0));
    assert_eq!(good.requests.load(Ordering::SeqCst), 4);
    std::fs::write(folder.path().join(NAMES[2]), b"damaged").unwrap();
    assert_eq!(fetch(&set, folder.path()), Ok(1));
    assert_eq!(std::fs::read(folder.path().join(NAMES[2])).unwrap(), content(NAMES[2]));
}

/// A checked file is trusted until its size or time changes, unless its content is to be checked.
#[test]
fn a_file_is_what_it_was_until_its_size_or_time_changes() {
    let (folder, good) = (tempfile::tempdir().unwrap(), server(Behaviour::Good));
    let set = set(&[&good.url]);
    assert_eq!(fetch(&set, folder.path()), Ok(4));
    let path = folder.path().join(NAMES[1]);
    let look = |how| is_right(&path, &set.files[1], how);
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    let put = |bytes: &[u8], time: SystemTime| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    let whole = content(NAMES[1]);
    let mut bad = whole.clone();
    *bad.last_mut().unwrap() ^= 1;
    put(&bad, time);
    assert_eq!(look(Checking::Changes), Ok(()));
    assert!(look(Checking::Content).unwrap_err().is_some());
    put(&bad, time + Duration::from_secs(1));
    assert!(look(Checking::Changes).unwrap_err().is_some());
    put(&whole[1..], time);
    assert!(look(Checking::Changes).unwrap_err().is_some());
    put(&whole, time + Duration::from_secs(2));
    assert_eq!(look(Checking::Changes), Ok(()));
    assert_eq!(fetch(&set, folder.path()), Ok(0));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(look(Checking::Changes), Err(None));
}

/// Files from an archive have no published hash: they must be whole, and unchanged since they were unpacked.
#[test]
fn what_came_out_of_an_archive_stays_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let member = "emnist-digits-train-labels-idx1-ubyte.gz";
    let file = File { name: member, check: Check::Unpacked };
    let path = folder.path().join(member);
    let look = || is_right(&path, &file, Checking::Changes);
    let whole = content(member);
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(look().unwrap_err().unwrap().contains("not a complete gzip file"));
    // Put there by hand and whole: there is nothing to compare it with.
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(look(), Ok(()));

    std::fs::write(folder.path().join("all.zip"), archive()).unwrap();
    let files = NAMES.map(|name| File { name, check: Check::Unpacked });
    let set = Known { archive: Some(archive_file()), files, ..set(&[]) };
    assert_eq!(fetch(&set, folder.path()), Ok(4));
    assert_eq!(fetch(&set, folder.path()), Ok(0));
    // Whole, but different.
    std::fs::write(folder.path().join(NAMES[0]), content("something else")).unwrap();
    let reason = is_right(&folder.path().join(NAMES[0]), &files[0], Checking::Changes).unwrap_err().unwrap();
    assert!(reason.contains("when it was unpacked"), "{reason}");
    assert_eq!(fetch(&set, folder.path()), Ok(1));
    assert_eq!(std::fs::read(folder.path().join(NAMES[0])).unwrap(), content(NAMES[0]));
}

#[test]
fn every_kind_of_failure_leads_to_the_next_mirror() {
    let good = server(Behaviour::Good);
    use Behaviour::{CutOff, Forbidden, Silent, Slow, WrongContent};
    for behaviour in [WrongContent, CutOff, Forbidden, Silent, Slow] {
        let (folder, bad) = (tempfile::tempdir().unwrap(), server(behaviour));
        assert_eq!(fetch(&set(&[&bad.url, &good.url]), folder.path()), Ok(4));
        assert_eq!(bad.requests.load(Ordering::SeqCst), 4);
        assert_eq!(entries(folder.path()).len(), 4);
        assert!(NAMES.iter().all(|name| std::fs::read(folder.path().join(name)).unwrap() == content(name)));
    }
}

#[test]
fn the_last_failure_names_every_address_its_reason_and_the_command() {
    use Behaviour::{CutOff, Forbidden, Silent, Slow, WrongContent};
    let bad = [WrongContent, CutOff, Forbidden, Silent, Slow].map(server);
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let mut mirrors: Vec<&str> = bad.iter().map(|s| s.url.as_str()).collect();
    mirrors.push(&refused);
    let folder = tempfile::tempdir().unwrap();
    let text = fetch(&set(&mirrors), folder.path()).unwrap_err();
    for mirror in &mirrors {
        assert!(text.contains(&format!("  {mirror}{}: ", NAMES[0])), "{mirror} is missing in {text}");
    }
    let lower = text.to_lowercase();
    for reason in ["content has sha-256", "403", "sent nothing for 0.4 seconds", "bytes per second", "refused"] {
        assert!(lower.contains(reason), "{reason} is missing in {text}");
    }
    assert!(text.contains(&format!("mkdir -p {0} && curl -fL -o {0}/{1} ", folder.path().display(), NAMES[0])));
    assert_eq!(entries(folder.path()), [""; 0], "nothing is left half there");
}

#[test]
fn a_cut_off_body_is_told() {
    let (folder, bad) = (tempfile::tempdir().unwrap(), server(Behaviour::CutOff));
    let text = fetch(&set(&[&bad.url]), folder.path()).unwrap_err();
    let line = text.lines().find(|line| line.contains(&bad.url)).unwrap();
    assert!(!line.contains("SHA-256") && line.contains(':'), "{line}");
    assert_eq!(entries(folder.path()), [""; 0]);
}

#[test]
fn a_mirror_of_ones_own_is_tried_first() {
    let (folder, own) = (tempfile::tempdir().unwrap(), server(Behaviour::Good));
    let other = server(Behaviour::Good);
    let fetcher = Fetcher { mirror: Some(own.url.clone()), patience: Duration::from_secs(5) };
    assert_eq!(fetcher.fetch(&set(&[&other.url]), folder.path(), Checking::Changes, &|_, _, _| {}).unwrap(), 4);
    assert_eq!((own.requests.load(Ordering::SeqCst), other.requests.load(Ordering::SeqCst)), (4, 0));
}

/// An archive with the four files in a folder, and another file.
fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["readme.txt"].into_iter().chain(NAMES) {
        zip.start_file(format!("gzip/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&content(name)).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn archive_file() -> File {
    let hex = <md5::Md5 as Digest>::digest(archive()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    File { name: "all.zip", check: Check::Md5(Box::leak(hex.into_boxed_str())) }
}

#[test]
fn a_set_in_an_archive_is_fetched_once_and_unpacked() {
    let (folder, good) = (tempfile::tempdir().unwrap(), server(Behaviour::Good));
    let mut set = set(&[&good.url]);
    set.archive = Some(archive_file());
    set.files = NAMES.map(|name| File { name, check: Check::Unpacked });
    assert_eq!(fetch(&set, folder.path()), Ok(4));
    assert!(NAMES.iter().all(|name| std::fs::read(folder.path().join(name)).unwrap() == content(name)));
    std::fs::remove_file(folder.path().join(NAMES[1])).unwrap();
    assert_eq!((fetch(&set, folder.path()), good.requests.load(Ordering::SeqCst)), (Ok(1), 1));
    // An archive without the file.
    set.files[2] = File { name: "other.gz", check: Check::Unpacked };
    let text = fetch(&set, folder.path()).unwrap_err();
    assert!(text.contains("all.zip") && text.contains("other.gz"), "{text}");
    assert!(!folder.path().join("other.gz").exists());
    let (folder, bad) = (tempfile::tempdir().unwrap(), server(Behaviour::WrongContent));
    set.mirrors = Box::leak(Box::new([&*Box::leak(bad.url.clone().into_boxed_str())]));
    assert!(fetch(&set, folder.path()).unwrap_err().contains("MD5"));
    assert_eq!(entries(folder.path()), [""; 0]);
}
