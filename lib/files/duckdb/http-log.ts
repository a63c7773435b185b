import type { Session } from './session.ts'

/** What a server answered to a request. */
export interface Answer {
  /** that was asked for */
  readonly url: string
  readonly status: number
  /** its ETag, if it sent one */
  readonly tag: string | undefined
  /** the size of the whole file, if it said that with bytes of it */
  readonly total: number | undefined
}

/** Runs `work`, and returns what servers answered meanwhile, in order. DuckDB sends no requests for what it knows. */
export async function logAnswers<T>(
  session: Session,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly answers: readonly Answer[] }> {
  await session.run(`CALL truncate_duckdb_logs(); CALL enable_logging('HTTP')`)
  try {
    return { result: await work(), answers: await readAnswers(session) }
  } finally {
    // It has the headers of requests.
    await session.run('CALL disable_logging(); CALL truncate_duckdb_logs()')
  }
}

async function readAnswers(session: Session): Promise<Answer[]> {
  const header = (name: string) =>
    `list_filter(map_entries(response.headers), lambda e: lower(e.key) = '${name}')[1].value`
  const rows =
    await session.readRows(`SELECT request.url, request.type::VARCHAR, regexp_extract(response.status::VARCHAR, '\\d+$'),
      ${header('etag')}, ${header('content-range')}, ${header('content-length')}
    FROM duckdb_logs_parsed('HTTP') WHERE response IS NOT NULL ORDER BY timestamp`)
  return rows.map(([url, method, status, tag, range, length]) => {
    const ofRange = /\/(\d+)$/.exec(String(range ?? ''))?.[1]
    const isWhole = method === 'GET' && Number(status) === 200 && length !== null
    const total = ofRange ?? (isWhole ? String(length) : undefined)
    return {
      url: String(url),
      status: Number(status),
      tag: tag === null ? undefined : String(tag),
      total: total === undefined ? undefined : Number(total),
    }
  })
}
