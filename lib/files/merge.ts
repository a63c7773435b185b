import { readFile } from 'node:fs/promises'
import { toJSON, toTable } from '../cli/report.ts'
import { LossAccumulator } from '../index.ts'
import { naming } from './errors.ts'
import { assertFile, readFlags } from './regular-files.ts'
import { assertLocal } from './urls.ts'

/**
 * The totals of all partials, as `score` would have printed them over all their files. A partial counts as often as it is given;
 * a file without one is what a failed job leaves, and an error.
 */
export async function merge(paths: readonly string[], { json }: { json?: true }, signal: AbortSignal): Promise<string> {
  let total: LossAccumulator | undefined
  const empty: string[] = []
  for (const path of paths) {
    const lines = (await read(path, signal)).split('\n')
    if (lines.every((line) => line.trim() === '')) empty.push(path)
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue
      total = naming(`${path}, line ${i + 1}`, () => {
        const partial = LossAccumulator.fromJSON(JSON.parse(line))
        return total?.merge(partial) ?? partial
      })
    }
  }
  if (total === undefined || empty.length > 0) {
    throw new Error(`${shortList(empty)}: no partial in the file; run partial again for what it is of`)
  }
  return json ? toJSON(total) : toTable(total)
}

function shortList(paths: readonly string[]): string {
  const more = paths.length > 5 ? ` and ${paths.length - 5} more` : ''
  return `${paths.slice(0, 5).join(', ')}${more}`
}

async function read(path: string, signal: AbortSignal): Promise<string> {
  assertLocal(path)
  await assertFile(path, ' of lines that partial has printed')
  return readFile(path, { encoding: 'utf8', flag: readFlags, signal })
}
