import { closeSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'

/** Reads the path of the dynamic loader from the program headers of a 64-bit little-endian ELF file. */
function readInterpreter(path: string): string | undefined {
  const file = openSync(path, 'r')
  const read = (position: bigint, length: number) => {
    const bytes = Buffer.alloc(length)
    readSync(file, bytes, 0, length, Number(position))
    return bytes
  }
  try {
    const header = read(0n, 64)
    if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined
    const entrySize = header.readUInt16LE(54)
    const entries = read(header.readBigUInt64LE(32), entrySize * header.readUInt16LE(56))
    for (let at = 0; at < entries.length; at += entrySize) {
      const isInterpreter = entries.readUInt32LE(at) === 3
      // Its text ends with a NUL.
      const length = Number(entries.readBigUInt64LE(at + 32)) - 1
      if (isInterpreter) return read(entries.readBigUInt64LE(at + 8), length).toString()
    }
    return undefined
  } finally {
    closeSync(file)
  }
}

/** Returns the version of glibc, or undefined on musl. The report takes milliseconds, and Deno has none. */
function readGlibcVersion(): string | undefined {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return report.header.glibcVersionRuntime
}

/**
 * Returns true if this process runs on musl. A process that was started by its loader (`ld-musl-x86_64.so.1 node`) has
 * the loader as executable. musl's loader is also its libc.so.
 */
export function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  try {
    return /^(ld-musl-|libc\.so$)/.test(basename(readInterpreter(process.execPath) ?? process.execPath))
  } catch {
    // Node and Deno may be forbidden to read their executable. Deno is built for glibc.
    return 'deno' in process.versions ? false : readGlibcVersion() === undefined
  }
}

/** Names the C library of this process, with its version where that is known. */
export function describeLibc(): string {
  if (process.platform !== 'linux') return 'the platform’s own'
  if (isMusl()) return 'musl'
  try {
    return `glibc ${readGlibcVersion() ?? ''}`.trimEnd()
  } catch {
    return 'glibc'
  }
}
