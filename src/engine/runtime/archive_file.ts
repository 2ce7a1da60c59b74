/**
 * One file of an archive: lines of text, compressed by gzip. It has its name only once all of it is on the disk; until then
 * the name ends in `.partial`, and whoever finds such a file may throw it away.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

export interface ArchiveFile {
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** Resolves with the path once the file and its name survive a crash. */
  finish(): Promise<string>;
  /** Removes what was written, unless it is finished. */
  discard(): Promise<void>;
}

const partial = ".partial";
/** A partial file that nobody has written to for so long is of a node that is gone. */
const abandonedMs = 86_400_000;

/** Makes a file that is nobody's yet: `name` must be new. Only the owner may read it. */
export async function createArchiveFile(dir: string, name: string): Promise<ArchiveFile> {
  const path = join(dir, name);
  // Flushed to the disk before it is closed.
  const target = createWriteStream(path + partial, { flags: "wx", mode: 0o600, flush: true });
  await once(target, "open");
  const gzip = createGzip();
  const written = pipeline(gzip, target);
  // It is looked at in the end; until then a failure shows in the next write.
  written.catch(() => {});

  return {
    async write(text) {
      if (gzip.destroyed) await written;
      if (!gzip.write(text)) await Promise.race([once(gzip, "drain"), written]);
    },
    async finish() {
      gzip.end();
      await written;
      await rename(path + partial, path);
      await syncDirectory(dir);
      return path;
    },
    async discard() {
      gzip.destroy();
      await written.catch(() => {});
      await rm(path + partial, { force: true });
    },
  };
}

/** Makes a name in the directory last. Where directories cannot be opened, the system looks after that itself. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, "r").catch(() => undefined);
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Removes partial files of nodes that are gone. */
export async function removeAbandoned(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.endsWith(partial)) continue;
    const path = join(dir, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}
