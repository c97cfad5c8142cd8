//! What a test needs Unix for: signals, limits of the shell, devices and pipes as files, and names with any byte.

use crate::faults::{rewrite, same};
use crate::pictures::bars;
use crate::{Ended, Place, digits, events, sha};
use flate2::Compression;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// An interrupt lets the running submission end, writes the checkpoint and says how to go on.
#[test]
fn ctrl_c_keeps_what_was_learned_and_resuming_comes_to_the_same_bits() {
    let place = Place::new();
    let digits = digits();
    let args = ["train", "--data", &digits, "--validation", "0", "--epochs", "400", "--log-every", "1", "-v"];
    let mut child = place
        .command(&[&args[..], &["--out", "stopped"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // It has learned something by the time it says so.
    lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with("epoch  2")).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    let ended = Ended { err: rest.join("\n"), ..Ended::of(output) };
    ended.failed("train, interrupted", &["its checkpoint is written", "mnist-gpu train --resume stopped"]);
    let stopped = events(&place.path("stopped")).pop().unwrap();
    assert_eq!((&stopped["event"], &stopped["reason"]), (&Value::from("stopped"), &Value::from("interrupted")));
    let step = stopped["step"].as_u64().unwrap();

    // To the end of the epoch after next, in one go and resumed.
    let epochs = (step / 5 + 2).to_string();
    place.json(&["train", "--resume", "stopped", "--epochs", &epochs]);
    place.json(&[
        "train",
        "--data",
        &digits,
        "--validation",
        "0",
        "--epochs",
        &epochs,
        "--log-every",
        "1",
        "--out",
        "whole",
    ]);
    let model = |run: &str| sha(&place.path(run).join("model.safetensors"));
    assert_eq!(model("stopped"), model("whole"));
}

/// `docker stop`, `kill` and a terminal that is closed end a run as Ctrl-C does, and a second signal ends it at once.
#[test]
fn every_signal_that_ends_a_process_keeps_what_was_learned() {
    let place = Place::new();
    let digits = digits();
    let start = |out: &str, ignored: bool| {
        let args = ["train", "--data", &digits, "--validation", "0", "--epochs", "100000", "--out", out];
        let mut command = place.command(&args);
        // Whoever runs the tests may have it the other way.
        let hang_up = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: between fork and exec only a signal's disposition is set.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGHUP, hang_up);
                Ok(())
            })
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with("epoch  2")).unwrap();
        (child, lines)
    };
    let kill = |signal: &str, id: u32| {
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success())
    };
    for signal in ["-TERM", "-HUP"] {
        let (mut child, lines) = start(&format!("run{signal}"), false);
        kill(signal, child.id());
        let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{signal}");
        assert!(rest.last().unwrap().contains("its checkpoint is written"), "{signal}: {rest:?}");
    }
    // Under nohup a closed terminal is no reason to stop.
    let (mut child, mut lines) = start("nohup", true);
    kill("-HUP", child.id());
    assert!(lines.by_ref().take(40).map(|line| line.unwrap()).any(|line| line.starts_with("epoch ")));
    kill("-TERM", child.id());
    kill("-TERM", child.id());
    lines.for_each(drop);
    let code = child.wait().unwrap().code();
    assert!(code == Some(130) || code == Some(1), "{code:?}");
    let left: Vec<_> = std::fs::read_dir(place.path("nohup")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "run.lock" || name.to_string_lossy().ends_with(".part")), "{left:?}");
}

/// Two processes in one run folder: one has it, the other is told who.
#[test]
fn a_run_belongs_to_one_process() {
    let place = Place::new();
    let digits = digits();
    let args =
        ["train", "--data", &digits, "--validation", "0", "--epochs", "100000", "--log-every", "1000", "--out", "run"];
    let mut first = place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let wait = |path: &str| {
        let began = std::time::Instant::now();
        while !place.path(path).exists() {
            assert!(began.elapsed().as_secs() < 60, "{path} never comes");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait("run/resume.safetensors");
    let holder = format!("in use by process {}", first.id());
    place.fails(&["train", "--resume", "run", "--steps", "1"], &["run", &holder]);
    place.fails(&["finetune", "pretrained", "--data", &digits, "--out", "run"], &["run", "not empty"]);
    assert!(Command::new("kill").args(["-TERM", &first.id().to_string()]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(1), "it ends in good order");
    let last = events(&place.path("run")).pop().unwrap();
    assert_eq!((&last["event"], &last["reason"]), (&"stopped".into(), &"interrupted".into()));
    assert!(!place.path("run/run.lock").exists());
    // One that is killed leaves its lock and half a file, and nothing stands in the way of the next.
    std::fs::write(place.path("run/run.lock"), "1\n").unwrap();
    std::fs::write(place.path("run/.best.safetensors.abcdef.part"), "half").unwrap();
    let mut log = std::fs::File::options().append(true).open(place.path("run/events.jsonl")).unwrap();
    log.write_all(b"{\"event\":\"st").unwrap();
    let epochs = (last["epoch"].as_u64().unwrap() + 1).to_string();
    place.json(&["train", "--resume", "run", "--epochs", &epochs]);
    let names: Vec<_> = std::fs::read_dir(place.path("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let told: Vec<u64> = events(&place.path("run"))
        .iter()
        .filter_map(|e| e["epoch"].as_u64().filter(|_| e["event"] == "epoch"))
        .collect();
    assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>(), "every epoch is told once");
    // Killed between the last checkpoint and its line in the log, a run has nothing left but to tell.
    let log = place.path("run/events.jsonl");
    let lines = std::fs::read_to_string(&log).unwrap();
    let last = lines.rfind("{\"event\":\"epoch\"").unwrap();
    std::fs::write(&log, &lines[..last]).unwrap();
    place.fails(&["train", "--resume", "run"], &["has finished its"]);
    assert_eq!(events(&place.path("run")).last().unwrap()["epoch"], told.len());
}

/// Whatever lies where the log should be: a resumed run appends whole lines, or ends before it trains.
#[test]
fn a_log_that_is_no_plain_file_is_refused() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "2", "--steps", "3", "--out", "run"]);
    let log = place.path("run/events.jsonl");
    let before = sha(&place.path("run/model.safetensors"));
    let refused = || {
        place.fails(&["train", "--resume", "run"], &["events.jsonl", "not a regular file"]);
        assert_eq!(sha(&place.path("run/model.safetensors")), before);
    };
    std::fs::remove_file(&log).unwrap();
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    refused();
    std::fs::remove_file(&log).unwrap();
    std::fs::write(place.path("victim"), "precious\n").unwrap();
    std::os::unix::fs::symlink("../victim", &log).unwrap();
    refused();
    assert_eq!(std::fs::read_to_string(place.path("victim")).unwrap(), "precious\n");
    std::fs::remove_file(&log).unwrap();
    place.json(&["train", "--resume", "run"]);
    assert_eq!(events(&place.path("run")).last().unwrap()["event"], "end");
}

/// A file that cannot grow, as on a full disk: the old checkpoint stays whole, and nothing else is left.
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "run"]);
    let before = (sha(&place.path("run/model.safetensors")), sha(&place.path("run/resume.safetensors")));
    // Signal ignored, a write beyond 20 blocks fails as one to a full disk does. Mesa's own cache must not run into it.
    let binary = env!("CARGO_BIN_EXE_mnist-gpu");
    let script = format!("trap '' XFSZ; ulimit -f 20; exec {binary} train --resume run --epochs 3");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(place.path("")).env("MESA_SHADER_CACHE_DISABLE", "true");
    let ended = Ended::of(command.output().unwrap());
    ended.failed("train on a full disk", &["cannot write", "run/model.safetensors", "unchanged"]);
    let after = (sha(&place.path("run/model.safetensors")), sha(&place.path("run/resume.safetensors")));
    assert_eq!(before, after);
    assert_eq!(std::fs::read_dir(place.path("run")).unwrap().count(), 4, "no temporary file is left");
}

/// A command under a limit that the shell sets, beyond which writing fails as on a full disk.
#[cfg(target_os = "linux")]
fn limited(place: &Place, limit: &str, args: &[&str]) -> Ended {
    let line = format!("trap '' XFSZ; {limit}; exec {} \"$@\"", env!("CARGO_BIN_EXE_mnist-gpu"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, "sh"]).args(args).current_dir(place.path("")).env("MESA_SHADER_CACHE_DISABLE", "true");
    Ended::of(shell.output().unwrap())
}

/// Memory that is not there, and a disk that is full, are told by what wants them.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_or_disk_is_an_error() {
    let place = Place::new();
    let digits = digits();
    let limited = |limit: &str, args: &[&str]| limited(&place, limit, args);
    let ended = limited("ulimit -v 1000000", &["data", "show", "synthetic:2000000", "--index", "3"]);
    ended.failed("many digits in little memory", &["synthetic", "1568000000 bytes", "more than the available memory"]);
    let ended = limited("ulimit -f 1", &["data", "show", &digits, "--out", "sheet.png"]);
    ended.failed("a sheet on a full disk", &["cannot write sheet.png"]);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "nothing is half there");
    // A run that never began leaves nothing that blocks its name.
    let ended =
        limited("ulimit -f 0", &["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "run"]);
    ended.failed("a run on a full disk", &["run"]);
    assert!(!place.path("run/model.safetensors").exists());
    place.json(&["train", "--data", &digits, "--validation", "0", "--epochs", "1", "--out", "run"]);
}

/// A small picture whose colour profile unpacks to hundreds of megabytes needs no such memory.
#[cfg(target_os = "linux")]
#[test]
fn a_colour_profile_is_no_bomb() {
    let place = Place::new();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(content);
        [&(content.len() as u32).to_be_bytes(), &kind[..], content, &crc.sum().to_be_bytes()].concat()
    };
    let deflated = |bytes: &mut dyn Iterator<Item = Vec<u8>>| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        bytes.for_each(|part| encoder.write_all(&part).unwrap());
        encoder.finish().unwrap()
    };
    let header = [&30_u32.to_be_bytes()[..], &30_u32.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let profile = [b"p\0\0", &deflated(&mut (0..400).map(|_| vec![0; 1 << 20]))[..]].concat();
    let pixels = deflated(&mut (0..30).map(|row| [&[0][..], &[if row == 15 { 20 } else { 230 }; 30]].concat()));
    let parts = [chunk(b"IHDR", &header), chunk(b"iCCP", &profile), chunk(b"IDAT", &pixels), chunk(b"IEND", &[])];
    let bomb = [&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat();
    bars(&place.path("pictures"), ["a", "b"], 3);
    for n in 3..6 {
        std::fs::write(place.path(&format!("pictures/a/{n:02}.png")), &bomb).unwrap();
    }
    let args = ["data", "show", "pictures", "--out", "sheet.png"];
    let ended = limited(&place, "ulimit -v 300000", &args);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_no_success_and_a_closed_one_is_quiet() {
    let place = Place::new();
    let digits = digits();
    crate::pictures::bar(0, 1).save(place.path("bar.png")).unwrap();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    for args in [
        &["eval", "pretrained", "--data", &digits, "--json"][..],
        &["predict", "pretrained", "bar.png"],
        &["train", "--data", &digits, "--epochs", "1", "--validation", "0", "--out", "run"],
        &["network"],
        &["plan"],
        &["data", "list"],
        &["data", "show", &digits],
        &["adapters"],
        &["--help"],
        &["train", "--help"],
        &["--version"],
    ] {
        let output = place.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("cannot write to standard output") && !err.contains("panicked"), "{args:?}: {err}");
    }
    assert!(place.path("run/model.safetensors").exists(), "what was trained is kept all the same");
    let output = place.command(&["network"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "nothing was to be said there");
    let output = place.command(&["eval", "pretrained", "--data", &digits]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // A reader that goes away has read what it wanted.
    let mut child = place.command(&["plan"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}

/// What has no end, or is no file, is refused at once.
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let place = Place::new();
    let digits = digits();
    for name in ["pipe.png", "pipe.safetensors", "pipe.toml"] {
        assert!(Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", place.path("zero.png")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("zero.safetensors")).unwrap();
    for (name, size) in [("sparse.safetensors", 3 << 30), ("sparse.toml", 3_u64 << 30)] {
        std::fs::File::create(place.path(name)).unwrap().set_len(size).unwrap();
    }
    place.fails(&["predict", "pretrained", "pipe.png", "zero.png"], &["2 of the pictures", "not a regular file"]);
    for model in ["pipe.safetensors", "zero.safetensors"] {
        place.fails(&["eval", model, "--data", &digits], &[model, "not a regular file"]);
    }
    place.fails(&["eval", "sparse.safetensors", "--data", &digits], &["not a valid safetensors file"]);
    place.fails(&["network", "pipe.toml"], &["pipe.toml", "not a regular file"]);
    place.fails(&["network", "/dev/zero"], &["not a regular file"]);
    place.fails(&["train", "--recipe", "/dev/zero", "--data", &digits], &["not a regular file"]);
    place.fails(&["train", "--network", "sparse.toml", "--data", &digits], &["sparse.toml", "at most"]);
    place.fails(&["bench", "--compare", "/dev/zero"], &["not a regular file"]);
    place.fails(&["train", "--data", "/dev/zero"], &["no data set"]);
    let list = |bytes: &[u8], words: &[&str]| {
        let mut child = place
            .command(&["predict", "-q", "pretrained", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(bytes);
        Ended::of(child.wait_with_output().unwrap()).failed("predict a list", words);
    };
    list(b"a\0b.png\n", &["line 1", "NUL"]);
    list(&[b'x'; 1 << 17], &["line 1", "65536 bytes"]);
    list(&b"x.png\n".repeat(1_000_001), &["more than 1000000 pictures"]);
}

#[test]
fn files_have_the_permissions_that_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let digits = digits();
    for (umask, mode) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let line = format!("umask {umask}; exec {} \"$@\"", env!("CARGO_BIN_EXE_mnist-gpu"));
        let mut shell = Command::new("sh");
        let args = ["train", "--data", &digits, "--validation", "20", "--epochs", "1", "--out", umask];
        assert!(
            shell.args(["-c", &line, "sh"]).args(args).current_dir(place.path("")).output().unwrap().status.success()
        );
        for entry in std::fs::read_dir(place.path(umask)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                mode,
                "{umask}: {:?}",
                entry.file_name()
            );
        }
    }
}

/// A path is what the system says, text or not.
#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_no_text_work() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = Place::new();
    let here = root.0.path().join(OsStr::from_bytes(b"here\xff"));
    std::fs::create_dir(&here).unwrap();
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let run = |args: &[&OsStr]| {
        let mut command = root.command(&[]);
        command.args(args).current_dir(&here);
        let ended = Ended::of(command.output().unwrap());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
    };
    let data = here.join(name(b"data\xfe"));
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(digits()).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, data.join(from.file_name().unwrap())).unwrap();
    }
    let line = |text: &'static str| -> Vec<&OsStr> { text.split(' ').map(OsStr::new).collect() };
    let (set, out) = ([OsStr::new("--data"), name(b"data\xfe")], |out| [OsStr::new("--out"), name(out)]);
    run(&[&line("train --validation 0 --epochs 1")[..], &set, &out(b"run\xfd")].concat());
    run(&[&line("train --epochs 2 --resume")[..], &[name(b"run\xfd")]].concat());
    run(&[&[OsStr::new("eval"), name(b"run\xfd")][..], &set].concat());
    std::fs::rename(here.join(name(b"run\xfd/model.safetensors")), here.join(name(b"m\xfc.safetensors"))).unwrap();
    let model = name(b"m\xfc.safetensors");
    run(&[&line("train --validation 0 --epochs 1 --teacher")[..], &[model], &set, &out(b"taught")].concat());
    run(&[&line("train --validation 0 --epochs 1 --init")[..], &[model], &set, &out(b"from")].concat());
    run(&[&[OsStr::new("finetune"), model][..], &line("--epochs 1"), &set, &out(b"tuned")].concat());
    for (command, run_folder) in [("train", "taught"), ("train", "from"), ("finetune", "tuned")] {
        let recipe = format!("{run_folder}/recipe.toml");
        let again = format!("{run_folder}-again");
        run(&[command, "--recipe", &recipe, "--out", &again].map(OsStr::new));
        let model = |folder: &str| sha(&here.join(folder).join("model.safetensors"));
        assert_eq!(model(run_folder), model(&again), "{run_folder}");
    }
    std::fs::copy(root.path("bar.png"), here.join(name(b"p\xfb.png"))).unwrap_or_else(|_| {
        crate::pictures::bar(0, 1).save(root.path("bar.png")).unwrap();
        std::fs::copy(root.path("bar.png"), here.join(name(b"p\xfb.png"))).unwrap()
    });
    let mut child = root
        .command(&["predict", "-q", "pretrained", "-"])
        .current_dir(&here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\xef\xbb\xbfp\xfb.png\r\n").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 1), "{}", ended.err);
}

/// Names from models, files and folders, wherever they are printed.
#[test]
fn nothing_foreign_acts_on_a_terminal() {
    const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{7f}\r\nBROKEN";
    let place = Place::new();
    let digits = digits();
    place.json(&["train", "--data", &digits, "--validation", "0", "--steps", "1", "--out", "run"]);
    let model = place.path("run/model.safetensors");
    let names = |m: &mut Value| m["class_names"] = (0..10).map(|n| Value::from(format!("{EVIL}{n}"))).collect();
    rewrite(&model, &place.path("names.safetensors"), names, same);
    let turned = |m: &mut Value| m["class_names"] = (0..10).map(|n| Value::from(format!("\u{202e}{n}"))).collect();
    rewrite(&model, &place.path("turned.safetensors"), turned, same);
    rewrite(&model, &place.path("prepare.safetensors"), |m| m["prepare"] = EVIL.into(), same);
    let data = format!("data{EVIL}");
    place.digits(&data);
    bars(&place.path("pictures"), ["a", "b"], 3);
    let picture = format!("pictures/a/{}.png", EVIL.replace('/', ""));
    std::fs::write(place.path(&picture), "no picture").unwrap();
    std::fs::write(place.path("recipe.toml"), format!("lr = 0.1\nx{EVIL} = 1\n")).unwrap();
    std::fs::write(place.path("net.toml"), "layers = [\"\u{1b}[31m\"]\n").unwrap();
    let printed = |args: &[&str]| {
        let ended = place.run(args);
        for text in [&ended.out, &ended.err] {
            let acts = text.chars().find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
            assert_eq!(acts, None, "{args:?}: {text:?}");
            assert!(
                !text.lines().any(|line| line.starts_with("BROKEN")),
                "a name has broken a line: {args:?}: {text:?}"
            );
        }
        ended
    };
    for args in [
        &["eval", "names.safetensors", "--data", &digits][..],
        &["eval", "names.safetensors", "--data", &digits, "--json"],
        &["predict", "names.safetensors", "pictures/b/00.png"],
        &["eval", "turned.safetensors", "--data", &digits],
        &["predict", "turned.safetensors", "pictures/b/00.png"],
        &["finetune", "turned.safetensors", "--data", &digits, "--epochs", "1", "--out", "t"],
        &["finetune", "names.safetensors", "--data", &digits, "--epochs", "1", "--out", "x"],
        &["eval", "prepare.safetensors", "--data", &digits],
        &["train", "--data", &data, "--validation", "0", "--steps", "1", "--out", "y"],
        &["data", "info", &data],
        &["data", "info", "pictures"],
        &["train", "--data", "pictures", "--out", "z"],
        &["predict", "--skip-bad", "pretrained", "pictures"],
        &["train", "--recipe", "recipe.toml", "--data", &digits],
        &["train", "--network", "net.toml", "--data", &digits],
        &["eval", &format!("no{EVIL}where")],
        &["train", "--data", &format!("no{EVIL}where")],
        &["train", "--adapter", EVIL, "--data", &digits],
        &["bench", "--compare", EVIL],
        &[EVIL],
    ] {
        printed(args);
    }
    // JSON says them as they are.
    let predicted = place.json(&["predict", "turned.safetensors", "pictures/b/00.png"]);
    assert!(predicted["predictions"][0]["class"].as_str().unwrap().starts_with('\u{202e}'));
    place.fails(&["eval", "names.safetensors", "--data", &digits], &["class name", "control characters"]);
}
