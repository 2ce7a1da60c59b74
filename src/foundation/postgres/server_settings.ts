/**
 * The settings of the embedded server. They are given on its command line at every start, so a newer release changes
 * them without touching the data directory.
 */

/** Nothing is bought with durability: fsync, full_page_writes and synchronous_commit keep their safe defaults. */
const settings: Record<string, string> = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",

  // Loopback only, and no socket file: one way in, with a password.
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  password_encryption: "scram-sha-256",
  max_connections: "100",

  // A private server on somebody's machine: enough cache for the hot tables, not a quarter of the memory.
  shared_buffers: "256MB",
  work_mem: "8MB",
  maintenance_work_mem: "128MB",

  // Fewer checkpoints mean fewer full page images in the log; 2 GB of log replays in well under a minute.
  // wal_compression stays off: these binaries are built without lz4 and zstd, and pglz costs more time than it saves.
  wal_buffers: "16MB",
  min_wal_size: "256MB",
  max_wal_size: "2GB",
  checkpoint_timeout: "10min",
  checkpoint_completion_target: "0.9",

  // Statements are short; compiling them would take longer than running them.
  jit: "off",
  random_page_cost: "1.1",

  // Hot tables are small and change fast: look at them often, so that dead rows do not pile up.
  autovacuum_naptime: "15s",
  autovacuum_vacuum_scale_factor: "0.05",
  autovacuum_analyze_scale_factor: "0.05",

  // Messages go to the program's log, which adds the time.
  logging_collector: "off",
  log_line_prefix: "",
  log_min_messages: "warning",
  log_checkpoints: "off",
  log_timezone: "UTC",
  timezone: "UTC",
  lc_messages: "C",
};

export function serverArguments({ place, port }: { place: string; port: number }): string[] {
  const all = { ...settings, port: String(port) };
  return ["-D", place, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}
