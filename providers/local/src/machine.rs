//! What this machine has: processors, memory, disk.

use mng_core::providers::HostResources;

const GIB: f64 = (1_u64 << 30) as f64;

/// What can be found out; the rest stays unknown.
pub(crate) async fn resources() -> HostResources {
    HostResources { disk_gb: disk(), ..system().await }
}

/// Size of the root file system.
fn disk() -> Option<f64> {
    let stat = rustix::fs::statvfs("/").ok()?;
    Some(stat.f_blocks as f64 * stat.f_frsize as f64 / GIB)
}

#[cfg(target_os = "linux")]
async fn system() -> HostResources {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    HostResources {
        cpu_count: cpu_count(&processors),
        cpu_frequency_ghz: read("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
            .trim()
            .parse::<f64>()
            .ok()
            .map(|kilohertz| kilohertz / 1e6)
            .or_else(|| cpu_frequency(&processors)),
        memory_gb: memory(&read("/proc/meminfo")),
        disk_gb: None,
    }
}

#[cfg(not(target_os = "linux"))]
async fn system() -> HostResources {
    use mng_core::transports::{ExecRequest, LocalTransport, Transport as _};
    async fn number(name: &str) -> Option<f64> {
        let output = LocalTransport.exec(ExecRequest::new(["sysctl", "-n", name])).await.ok()?;
        output.stdout_text().trim().parse().ok()
    }
    HostResources {
        cpu_count: number("hw.ncpu").await.map(|count| count as u32),
        cpu_frequency_ghz: number("hw.cpufrequency").await.map(|hertz| hertz / 1e9),
        memory_gb: number("hw.memsize").await.map(|bytes| bytes / GIB),
        disk_gb: None,
    }
}

#[cfg(target_os = "linux")]
fn cpu_count(cpuinfo: &str) -> Option<u32> {
    let listed = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let count = match listed {
        // Some architectures list none.
        0 => std::thread::available_parallelism().ok()?.get(),
        listed => listed,
    };
    u32::try_from(count).ok()
}

#[cfg(target_os = "linux")]
fn cpu_frequency(cpuinfo: &str) -> Option<f64> {
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz"))?;
    let megahertz: f64 = line.split_once(':')?.1.trim().parse().ok()?;
    Some(megahertz / 1000.0)
}

#[cfg(target_os = "linux")]
fn memory(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0 / GIB)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let cpuinfo = "processor\t: 0\ncpu MHz\t\t: 2450.000\n\nprocessor\t: 1\n";
        assert_eq!(cpu_count(cpuinfo), Some(2));
        assert_eq!(cpu_frequency(cpuinfo), Some(2.45));
        assert_eq!(memory("MemTotal:       2097152 kB\nMemFree: 1 kB\n"), Some(2.0));
        assert_eq!(memory(""), None);
    }

    #[test]
    fn this_machine_has_some_of_each() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(resources());
        assert!(found.cpu_count.is_some_and(|count| count > 0));
        assert!(found.memory_gb.is_some_and(|size| size > 0.0));
        assert!(found.disk_gb.is_some_and(|size| size > 0.0));
    }
}
