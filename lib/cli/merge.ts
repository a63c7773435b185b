import { readFile } from 'node:fs/promises'
import { LossAccumulator } from '../index.ts'
import { codeOf, naming } from './failures.ts'
import { toJSON, toTable } from './report.ts'

/** The totals of all partials, as `score` would have printed them over all their files. */
export async function merge(paths: readonly string[], { json }: { json?: true }, signal: AbortSignal): Promise<string> {
  let total: LossAccumulator | undefined
  for (const path of paths) {
    const lines = (await read(path, signal)).split('\n')
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue
      total = naming(`${path}, line ${i + 1}`, () => {
        const partial = LossAccumulator.fromJSON(JSON.parse(line))
        return total?.merge(partial) ?? partial
      })
    }
  }
  if (total === undefined) throw new Error(`${paths.join(', ')}: no partial in the file`)
  return json ? toJSON(total) : toTable(total)
}

async function read(path: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(path, { encoding: 'utf8', signal })
  } catch (error) {
    throw codeOf(error) === 'ENOENT' ? new Error(`${path}: no such file`, { cause: error }) : error
  }
}
