// Serves app.mjs, by default on port 3000.
import { app } from './app.mjs'

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
