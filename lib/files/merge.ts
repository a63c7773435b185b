import { readFile } from 'node:fs/promises'
import { LossAccumulator } from '../index.ts'
import { assertSignal } from '../validate.ts'
import { errorAt, fileError } from './errors.ts'
import { checkPaths, type RunOptions } from './options.ts'
import { assertFile, assertLocal, readFlags } from './paths.ts'
import type { FileTotals } from './totals.ts'

/**
 * The totals of partials, as `scoreFiles` gives them over all their files, bit for bit. A partial counts each time it is given.
 *
 * @param parts files of lines of JSON that `partial` printed, or such texts themselves: a text begins with `{`
 * @throws {Error} ERR_INVALID_FILE: a file or text has no partial, or one of other settings; `file`
 * @throws {Error} ENOENT: no such file
 * @throws the signal's reason, if it is aborted
 *
 * @example
 * const { total } = await mergePartials(['monday.json', 'tuesday.json'])
 */
export async function mergePartials(
  parts: readonly string[],
  { signal }: Pick<RunOptions, 'signal'> = {},
): Promise<FileTotals> {
  checkPaths(parts)
  assertSignal('signal', signal)
  let total: LossAccumulator | undefined
  const empty: string[] = []
  for (const [index, part] of parts.entries()) {
    const isText = /^\s*\{/.test(part)
    const name = isText ? `text ${index + 1}` : part
    const lines = (isText ? part : await read(part, signal)).split('\n')
    if (lines.every((line) => line.trim() === '')) empty.push(name)
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue
      try {
        const partial = LossAccumulator.fromJSON(JSON.parse(line))
        total = total?.merge(partial) ?? partial
      } catch (cause) {
        throw errorAt(name, cause, `${name}, line ${i + 1}`)
      }
    }
  }
  if (total === undefined || empty.length > 0) throw fileError(`${describeEmpty(empty)}; run partial again`)
  return { total }
}

function describeEmpty(names: readonly string[]): string {
  if (names.length === 0) return 'no file of partials is given'
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  return `${names.slice(0, 5).join(', ')}${more}: no partial in the file`
}

async function read(path: string, signal: AbortSignal | undefined): Promise<string> {
  assertLocal(path)
  await assertFile(path, ' of lines that partial has printed')
  return readFile(path, { encoding: 'utf8', flag: readFlags, ...(signal && { signal }) }).catch((cause) => {
    signal?.throwIfAborted()
    throw cause
  })
}
