//! What this process costs the machine.

/// Ticks of processor time that this process has used.
pub fn processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A tick is a hundredth of a second on Linux.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn processor_since(before: u64) -> f64 {
    (processor() - before) as f64 / 100.0
}

/// The most memory that this process has held so far, in MB.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
