import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { explainAttempts, explainBundle } from './load-error.ts'

interface Package {
  readonly root: string
  readonly version: string
}

/** Finds the package of this file. A bundle has no addon beside it, and may have the manifest of another package. */
function findPackage(): Package {
  const url: string | undefined = import.meta.url
  let cause: unknown
  try {
    const { name, version } = createRequire(url)('../package.json') as { name: string; version: string }
    if (name === 'hinge-embedding-loss') return { root: resolve(fileURLToPath(new URL('..', url))), version }
  } catch (error) {
    cause = error
  }
  throw explainBundle(url, cause)
}

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

/**
 * Returns true if this process runs on musl. A process that was started by its loader (`ld-musl-x86_64.so.1 node`) has
 * the loader as executable. musl's loader is also its libc.so.
 */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  try {
    return /^(ld-musl-|libc\.so$)/.test(basename(readInterpreter(process.execPath) ?? process.execPath))
  } catch {
    // Deno may forbid to read its executable, which it builds for glibc.
    return false
  }
}

/** Returns the name of this platform, as in scripts/targets.mjs. */
export function nameTarget(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`
}

const addonName = 'hinge_embedding_loss.node'
const { root, version } = findPackage()
// Next.js and others that trace the files of an application follow paths from here, not from root.
const here = dirname(fileURLToPath(import.meta.url))

/** Finds the folder of both binaries. A build from source comes before a prebuild, also if it does not load. */
function findFolder(): string {
  const custom = process.env.HINGE_EMBEDDING_LOSS_BINARIES
  const folders = custom
    ? [resolve(custom)]
    : [join(here, '../build/Release'), join(here, '../prebuilds', nameTarget())]
  const folder = folders.find((each) => existsSync(join(each, addonName)))
  if (folder !== undefined) return folder
  throw explainAttempts(
    root,
    folders.map((each) => ({ path: join(each, addonName), failure: 'missing' })),
  )
}

const folder = findFolder()

export { folder, root, version }
export const addonPath = join(folder, addonName)
