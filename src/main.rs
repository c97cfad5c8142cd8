use mnist_gpu::*;
fn main() {
    let a = std::env::args().nth(1).unwrap_or("vulkan".into());
    let d = gpu::Device::open(&gpu::Selection::parse(&a), false).unwrap();
    println!("{}", d.info);
    for s in verify::STEMS {
        let t = std::time::Instant::now();
        let r = verify::kernel(&d, s).unwrap();
        println!("{s} {}/{} worst {:.3} {} {:?}", r.passed, r.cases, r.worst.1, r.worst.0, t.elapsed());
        for f in r.failures.iter().take(3) {
            println!("   {f}");
        }
    }
    let t = std::time::Instant::now();
    let r = verify::steps(&d).unwrap();
    println!("steps {}/{} {:?}", r.passed, r.cases, t.elapsed());
    for f in r.failures.iter().take(5) {
        println!("   {f}");
    }
}
