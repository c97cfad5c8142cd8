#[path = "../tests/common/handwriting.rs"]
mod handwriting;
fn main() {
    let mut args = std::env::args().skip(1);
    let (out, seed, n): (String, u64, u32) =
        (args.next().unwrap(), args.next().unwrap().parse().unwrap(), args.next().unwrap().parse().unwrap());
    std::fs::create_dir_all(&out).unwrap();
    for i in 0..n {
        let d = handwriting::draw(seed, i);
        d.picture.save(format!("{out}/{i:03}-{}.png", d.digit)).unwrap();
    }
}
