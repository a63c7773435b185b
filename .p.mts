import { plotFiles } from './lib/files.ts'
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
const f = '/tmp/plots/data/big.parquet'
if (!existsSync(f)) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const c = await (await DuckDBInstance.create()).connect()
  await c.run(`COPY (SELECT abs(random()+random()-0.5) AS d, CASE WHEN i%3=0 THEN 1 ELSE -1 END AS y, (i%12)::INT AS g, (i%50000)::INT AS h, 'name-' || (i%12) AS s FROM range(10000000) t(i)) TO '${f}'`)
}
for (const by of [undefined, 'g', 's', 'h', 'h']) {
  const t = Date.now(), c = process.cpuUsage().user
  await plotFiles([f], { input: 'd', label: 'y', ...(by && { by }), output: '/tmp/plots/x.svg' }).catch((e) => console.log(String(e)))
  console.log(by, Date.now() - t, 'ms, cpu', (process.cpuUsage().user - c) / 1e6, 'rss', Math.round(process.memoryUsage().rss / 1e6))
}
