import { randomBytes } from 'node:crypto'
import type { BigIntStats, Stats } from 'node:fs'
import { type FileHandle, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getSystemErrorMap } from 'node:util'
import { codeOf, detailsOf, fileError, given, isSystemError, message, messageOf, optionError } from './errors.ts'
import { assertLocal, describeKind, identifyFile } from './paths.ts'
import { isRemote } from './remote.ts'
import { removal, system } from './system.ts'

/** Where losses are written, whole or not at all. */
export interface OutputTarget {
  /** Writes it with what `write` fills an empty part file with. After an error or an abort what was there stays. */
  write(signal: AbortSignal, write: (partPath: string) => Promise<void>): Promise<void>
}

/**
 * A file of this machine.
 *
 * @throws as `resolveOutput` does
 */
export async function openOutput(output: string, inputs: readonly string[]): Promise<OutputTarget> {
  const path = await resolveOutput(output, inputs)
  return { write: (signal, write) => writeAtomically(path, signal, write) }
}

/**
 * Resolves the folder and links of a path to write to.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: it cannot be a file, or it is one of `inputs`
 */
export async function resolveOutput(path: string, inputs: readonly string[], of = system): Promise<string> {
  assertLocal(path, 'output')
  const refuse = (reason: string) => optionError('output', message`${given('output', path)}${reason}`)
  const existing = await ifExists(stat(path, { bigint: true }))
  if (existing !== undefined && !existing.isFile()) throw refuse(`: there is ${describeKind(existing)}, must be a file`)
  // On Windows a stream of a file, such as pairs.npy:x, counts as a file.
  if (of.forbiddenName.test(basename(path))) throw refuse(`: no file can have the name ${basename(path)}`)
  if (existing === undefined) {
    if (await ifExists(lstat(path))) throw refuse(': there is a link to nothing')
    const folder = await ifExists(realpath(dirname(path)))
    if (folder === undefined || !(await stat(folder)).isDirectory())
      throw refuse(`: no such folder as ${dirname(path)}`)
    return join(folder, basename(path))
  }
  if (!of.replacesReadOnlyFiles && isReadOnly(existing)) throw refuse(': there is a file that is read-only')
  for (const input of inputs.filter((file) => file !== '-' && !isRemote(file))) {
    const identity = await identifyFile(input, await stat(input, { bigint: true }))
    if (identity === (await identifyFile(path, existing))) throw refuse(` is an input, ${input}`)
  }
  return realpath(path)
}

/**
 * Writes a file whole or not at all. `write` fills an empty part file in the same folder, which replaces the file once it is
 * complete and on the disk. The part file has the permissions of the old file from its beginning. After an error or an abort
 * the old file stays, and the part file is removed.
 *
 * @throws {Error} an error of the file system, with its `code`, `file` and `option`
 */
export async function writeAtomically(
  path: string,
  signal: AbortSignal,
  write: (partPath: string) => Promise<void>,
): Promise<void> {
  const name = basename(path).slice(0, 50)
  const partPath = join(dirname(path), `.${name}.${randomBytes(6).toString('hex')}.part`)
  try {
    const old = await ifExists(stat(path))
    await create(partPath, old)
    await write(partPath)
    await withHandle(await open(partPath, 'r+'), async (handle) => {
      if (old !== undefined) await handle.chmod(old.mode & allPermissions)
      await handle.sync()
    })
    signal.throwIfAborted()
    await replace(partPath, path)
    if (system.syncsFolders) await withHandle(await open(dirname(path)), (handle) => handle.sync())
  } catch (error) {
    await rm(partPath, removal)
    throw asOutputError(path, partPath, error)
  }
}

const allPermissions = 0o7777
const readAndWrite = 0o600

function isReadOnly({ mode }: BigIntStats): boolean {
  return (Number(mode) & 0o222) === 0
}

/** Renames a file to one that may exist. Another program, such as a virus scanner, may have one of them open for a moment. */
export async function replace(from: string, to: string, { heldCodes } = system): Promise<void> {
  for (let wait = 10; ; wait *= 2) {
    try {
      await rename(from, to)
      return
    } catch (error) {
      const code = codeOf(error)
      if (!heldCodes.includes(code)) throw error
      if (wait > 1000) {
        const text = `${to}: not replaced, another program may have it open (${code})`
        throw fileError(text, { code, option: 'output', file: to }, error)
      }
    }
    await sleep(wait)
  }
}

/** The error of an output that could not be written, with its path; another error as it is: those of inputs have their file. */
export function asOutputError(path: string, partPath: string, cause: unknown): unknown {
  const text = messageOf(cause)
  const isAboutOutput = isSystemError(cause) || String(text).includes(partPath)
  if (!isAboutOutput || detailsOf(cause).file !== undefined) return cause
  const code = detailsOf(cause).code ?? findSystemCode(String(text))
  return fileError(message`${path}: ${text}`, { ...(code && { code }), option: 'output', file: path }, cause)
}

/** The code of a system error that DuckDB reports as text, after its last colon. */
function findSystemCode(text: string): string | undefined {
  const reason = text.slice(text.lastIndexOf(': ') + 2).toLowerCase()
  return [...getSystemErrorMap().values()].find(([, each]) => each === reason)?.[0]
}

/** Creates an empty file with the owner and permissions of `old`, readable and writable by the owner. */
async function create(path: string, old: Stats | undefined): Promise<void> {
  const mode = old === undefined ? 0o666 : readAndWrite
  await withHandle(await open(path, 'wx', mode), async (handle) => {
    if (old === undefined) return
    // Only root may give a file to another user, and only members to a group.
    await handle.chown(old.uid, -1).catch(() => {})
    await handle.chown(-1, old.gid).catch(() => {})
    await handle.chmod((old.mode & allPermissions) | readAndWrite)
  })
}

async function withHandle(handle: FileHandle, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(handle)
  } finally {
    await handle.close()
  }
}

async function ifExists<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    throw error
  }
}
