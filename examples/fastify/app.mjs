// Scores the pairs of a request, few or many, without holding up other requests: POST /loss with { distance, label } as JSON, or as
// bytes (application/octet-stream), 4 a pair for the float32 distances and after them 1 a pair for the int8 labels.
import Fastify from 'fastify'
import { HingeEmbeddingLoss } from 'hinge-embedding-loss'

const badRequests = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_LABEL', 'ERR_SHAPE_MISMATCH']
const criterion = new HingeEmbeddingLoss({ margin: 1 })

export const app = Fastify({ bodyLimit: 2 ** 28 })

app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, async (_request, body) => {
  const { buffer, byteOffset, length } = body
  const pairs = Math.floor(length / 5)
  return {
    distance: new Float32Array(buffer, byteOffset, pairs),
    label: new Int8Array(buffer, byteOffset + 4 * pairs, length - 4 * pairs),
  }
})

app.setErrorHandler(async (error) => {
  if (badRequests.includes(error.code)) error.statusCode = 400
  throw error
})

app.post('/loss', async ({ body }, reply) => {
  const loss = await criterion.forwardAsync(body?.distance, body?.label, { signal: signalOf(reply) })
  return { loss }
})

/** Aborts when the client goes away: then the response closes. The request did already, with the end of its body. */
function signalOf({ raw }) {
  const controller = new AbortController()
  raw.once('close', () => controller.abort())
  return controller.signal
}
