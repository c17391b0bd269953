//! What a machine has, in one round trip. Linux, the BSDs and macOS say it in their own ways.

use mng_core::Result;
use mng_core::providers::HostResources;
use mng_core::transports::{ExecRequest, Transport};

const LOOK: &str = r#"echo "cpus=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null)"
if [ -r /proc/meminfo ]; then
    while read -r key value unit; do
        case $key in MemTotal:) echo "kib=$value"; break;; esac
    done < /proc/meminfo
else
    bytes=$(sysctl -n hw.memsize 2>/dev/null || sysctl -n hw.physmem 2>/dev/null) && echo "kib=$((bytes / 1024))"
fi
df -Pk / 2>/dev/null | { read -r head; read -r device blocks rest && echo "disk=$blocks"; }
while read -r key middle colon value rest; do
    case "$key $middle" in 'cpu MHz') echo "mhz=$value"; break;; esac
done 2>/dev/null < /proc/cpuinfo
:"#;

const KIB_PER_GIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn of(transport: &dyn Transport) -> Result<HostResources> {
    let request = ExecRequest::sh(LOOK, Vec::<String>::new()).idempotent();
    Ok(read(&transport.exec(request).await?.check("look at the machine")?.stdout_text()))
}

fn read(text: &str) -> HostResources {
    let value = |key: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        line.trim().parse().ok().filter(|value: &f64| *value > 0.0)
    };
    HostResources {
        cpu_count: value("cpus").map(|count| count as u32),
        cpu_frequency_ghz: value("mhz").map(|mhz| mhz / 1000.0),
        memory_gb: value("kib").map(|kib| kib / KIB_PER_GIB),
        disk_gb: value("disk").map(|kib| kib / KIB_PER_GIB),
    }
}

#[cfg(test)]
mod tests {
    use mng_core::transports::LocalTransport;

    use super::*;

    #[test]
    fn what_cannot_be_told_is_left_open() {
        let seen = read("cpus=4\nkib=8388608\ndisk=\nmhz=2400.000\n");
        assert_eq!((seen.cpu_count, seen.memory_gb, seen.disk_gb), (Some(4), Some(8.0), None));
        assert_eq!(seen.cpu_frequency_ghz, Some(2.4));
        assert!(read("").cpu_count.is_none());
    }

    #[test]
    fn this_machine_can_tell() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(of(&LocalTransport)).unwrap();
        assert!(seen.cpu_count.is_some_and(|count| count > 0), "{seen:?}");
        assert!(seen.memory_gb.is_some_and(|gib| gib > 0.1), "{seen:?}");
        assert!(seen.disk_gb.is_some_and(|gib| gib > 0.1), "{seen:?}");
    }
}
