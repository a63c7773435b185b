import { mkdtemp, open, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asOutputError, type OutputTarget } from '../atomic-write.ts'
import { codeOf, detailsOf, fileError, given, message, messageOf, optionError } from '../errors.ts'
import { isRemote, nameRemote, readRemote, schemeOf, writtenSchemes } from '../remote.ts'
import { decodeUrl } from '../secrets.ts'
import { removal, system } from '../system.ts'
import type { ExtensionOptions } from './extensions.ts'
import { matchesPattern, prepareRemote } from './remote-files.ts'
import { Session } from './session.ts'
import { quoteFiles, quoteText } from './sql.ts'

/** The bytes that DuckDB holds at once for each of its threads. */
const pieceBytes = 32 * 2 ** 20
/** Parts of a multipart upload, of 8 MB or more, that are under way at once. */
const partsAtOnce = 4
const mostParts = 10_000
const leastPartBytes = 8_000_000

/**
 * A file of a server, which appears whole or not at all: it is written on this machine, then uploaded. DuckDB does not write it
 * by URL, because an object that is cut off shows if its query fails. Once the upload has begun an abort waits for its end.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE: its scheme is read only, or it is one of `inputs`
 */
export async function openUpload(
  output: string,
  inputs: readonly string[],
  options: ExtensionOptions,
): Promise<OutputTarget> {
  const url = readRemote(output, 'output')
  const name = given('output', nameRemote(url))
  if (!schemeOf(url)?.isWritten) {
    throw optionError('output', message`${name}: files are written to ${writtenSchemes} and to this machine`)
  }
  const input = inputs.find(
    (file) => isRemote(file) && (decodeUrl(file) === decodeUrl(url) || matchesPattern(url, file)),
  )
  if (input !== undefined) throw optionError('output', message`${name} is an input, ${input}`)
  // What is missing for the upload is said before anything is scored.
  await withSession(url, options, async () => {})
  return {
    async write(signal, write) {
      const folder = await mkdtemp(join(tmpdir(), 'hinge-embedding-loss-'))
      const partPath = join(folder, 'part')
      try {
        await writeFile(partPath, '', { mode: 0o600 })
        await write(partPath).catch((cause) => {
          throw explainSpace(asOutputError(nameRemote(url), partPath, cause))
        })
        signal.throwIfAborted()
        await withSession(url, options, (session) => upload(session, folder, url)).catch((cause) => {
          throw uploadError(nameRemote(url), cause)
        })
      } finally {
        await rm(folder, removal)
      }
    },
  }
}

async function withSession(
  url: string,
  options: ExtensionOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  // No signal interrupts it: what DuckDB had sent would show.
  const session = await Session.open(1)
  try {
    await prepareRemote(session, [url], options)
    await work(session)
  } finally {
    session.close()
  }
}

async function upload(session: Session, folder: string, url: string): Promise<void> {
  const { size } = await stat(join(folder, 'part'))
  const most = Math.ceil(Math.max(leastPartBytes, (1.1 * size) / mostParts)) * mostParts
  await session.run(`SET s3_uploader_thread_limit = ${partsAtOnce}; SET s3_uploader_max_parts_per_file = ${mostParts};
    SET s3_uploader_max_filesize = '${most}B'`)
  const pieces = await splitFile(folder, size)
  await session.run(`COPY (SELECT content FROM read_blob(${quoteFiles(pieces)})) TO ${quoteText(url)} (FORMAT blob)`)
}

/** Cuts the part file into pieces, from its end on, so that they take no more space than the file. */
async function splitFile(folder: string, size: number): Promise<string[]> {
  const path = join(folder, 'part')
  const pieces: string[] = []
  const file = await open(path, 'r')
  try {
    for (let begin = pieceBytes * (Math.ceil(size / pieceBytes) - 1); begin > 0; begin -= pieceBytes) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(pieceBytes), 0, pieceBytes, begin)
      const piece = join(folder, `piece${begin}`)
      await writeFile(piece, buffer.subarray(0, bytesRead), { mode: 0o600 })
      await truncate(path, begin)
      pieces.unshift(piece)
    }
  } finally {
    await file.close()
  }
  return [path, ...pieces]
}

/** The error of an output with advice, if there is no space for it on this machine. */
function explainSpace(error: unknown): unknown {
  if (codeOf(error) !== 'ENOSPC') return error
  const advice = `it is written to ${tmpdir()} first: ${system.temporaryFolder} can name another folder`
  return fileError(message`${messageOf(error)}; ${advice}`, detailsOf(error), error)
}

function uploadError(url: string, cause: unknown): Error {
  const { code = 'ERR_HTTP' } = detailsOf(cause)
  const reason = code === 'ENOENT' ? 'no such bucket' : messageOf(cause)
  return fileError(message`${url}: ${reason}`, { code, option: 'output', file: url }, cause)
}
