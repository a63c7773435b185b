import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, given, message, optionError } from './errors.ts'
import { assertLocal, describeKind } from './paths.ts'

/** The path to write a file to, with its folder and links resolved. Refuses what cannot become a file, and any of `inputs`. */
export async function resolveOutput(path: string, inputs: readonly string[]): Promise<string> {
  assertLocal(path, 'output')
  const refuse = (reason: string) => optionError('output', message`${given('output', path)}${reason}`)
  const there = await ifThere(stat(path, { bigint: true }))
  if (there === undefined) {
    if (await ifThere(lstat(path))) throw refuse(': there is a link to nothing')
    const folder = await ifThere(realpath(dirname(path)))
    if (folder === undefined || !(await stat(folder)).isDirectory())
      throw refuse(`: no such folder as ${dirname(path)}`)
    return join(folder, basename(path))
  }
  if (!there.isFile()) throw refuse(`: there is ${describeKind(there)}, must be a file`)
  for (const input of inputs.filter((file) => file !== '-')) {
    const { dev, ino } = await stat(input, { bigint: true })
    if (dev === there.dev && ino === there.ino) throw refuse(` is an input, ${input}`)
  }
  return realpath(path)
}

/**
 * Writes a file whole or not at all: `write` fills an empty file beside it, which takes its place once it is complete and on the
 * disk. It has the rights of what was there from its beginning. What is there before stays until then, and for good after an abort.
 */
export async function writeAtomically(
  path: string,
  signal: AbortSignal,
  write: (beside: string) => Promise<void>,
): Promise<void> {
  const name = basename(path).slice(0, 50)
  const beside = join(dirname(path), `.${name}.${randomBytes(6).toString('hex')}.part`)
  try {
    const old = await ifThere(stat(path))
    await create(beside, old)
    await write(beside)
    if (old !== undefined) await chmod(beside, old.mode & allRights)
    await sync(beside)
    signal.throwIfAborted()
    await rename(beside, path)
    await sync(dirname(path))
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

const allRights = 0o7777
const readAndWrite = 0o600

/** Creates an empty file with the owner and rights of `old`, and those to read and write it. */
async function create(path: string, old: Stats | undefined): Promise<void> {
  const handle = await open(path, 'wx', old === undefined ? 0o666 : readAndWrite)
  try {
    if (old === undefined) return
    // Only root may give a file to another user, and only members to a group.
    await handle.chown(old.uid, -1).catch(() => {})
    await handle.chown(-1, old.gid).catch(() => {})
    await handle.chmod((old.mode & allRights) | readAndWrite)
  } finally {
    await handle.close()
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    throw error
  }
}
