import { addAbortSignal, type Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { errorAt, fileError } from '../errors.ts'
import { assertFile } from '../paths.ts'
import { importPeer } from '../peers.ts'
import type { FileBytes } from './bytes.ts'
import { spool } from './temporary-file.ts'

/** An array in an archive, written as `pairs.npz:distance`. */
interface Member {
  readonly archive: string
  readonly array: string
}

/** Returns undefined if the text names no array in an archive. */
export function parseMember(text: string): Member | undefined {
  const [, archive, array] = /^(.*\.npz):(.+)$/is.exec(text) ?? []
  return archive === undefined || array === undefined ? undefined : { archive, array }
}

/** The file on the disk that holds an array: the archive, or the array itself. */
export function containingFile(text: string): string {
  return parseMember(text)?.archive ?? text
}

/** Copies an array out of its archive. */
export async function openMember({ archive, array }: Member, signal: AbortSignal): Promise<FileBytes> {
  await assertFile(archive)
  const { openPromise } = await importPeer(import('yauzl'), '.npz')
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false }).catch((cause) => {
    throw fileError(`${archive}: not an archive that can be read (${cause.message})`, { file: archive }, cause)
  })
  try {
    const entry = await findEntry(zip, array)
    const stream = addAbortSignal(signal, await zip.openReadStreamPromise(entry))
    return await spool(verifyChecksum(stream, entry))
  } catch (cause) {
    throw errorAt(archive, cause, `${archive}:${array}`)
  } finally {
    zip.close()
  }
}

/** Finds the file of an array. numpy appends .npy to the name and accepts both. */
async function findEntry(zip: ZipFile, array: string): Promise<Entry> {
  const entries: Entry[] = []
  for await (const entry of zip.eachEntry()) entries.push(entry)
  const matches = entries.filter(({ fileName }) => fileName === array || fileName === `${array}.npy`)
  if (matches.length > 1) throw new Error('more than one array has that name')
  const [entry] = matches
  if (entry !== undefined) return entry
  const names = entries.slice(0, 10).map(({ fileName }) => fileName.replace(/\.npy$/, ''))
  throw new Error(`no such array. Its arrays: ${names.join(', ')}${entries.length > 10 ? ', …' : ''}`)
}

async function* verifyChecksum(stream: Readable, entry: Entry): AsyncGenerator<Uint8Array> {
  let sum = 0
  for await (const chunk of stream) {
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (sum !== entry.crc32) throw new Error('damaged: its checksum does not match its bytes')
}
