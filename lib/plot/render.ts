import { createRequire } from 'node:module'
import { extname } from 'node:path'
import type { Spec } from 'vega'
import { message, option, optionError } from '../files/errors.ts'
import { type Feature, importPeer } from '../files/peers.ts'

/** A specification, and words in place of the picture, as the bytes of a file. */
export type Render = (spec: Spec, title: string, description: string) => Promise<string | Uint8Array>

const loaders: Readonly<Record<string, () => Promise<Render>>> = {
  '.svg': () => svg('a picture'),
  '.png': png,
}

/** Pixels of a PNG for one of the specification, as many as sharp screens have. */
const zoom = 2

/** How to draw into a file of this name. */
export async function renderFor(file: string): Promise<Render> {
  const load = loaders[extname(file).toLowerCase()]
  if (load === undefined) {
    const ends = Object.keys(loaders).join(' or ')
    throw optionError('output', message`${option('output')} must end in ${ends}, got ${file}`)
  }
  return load()
}

async function svg(user: Feature): Promise<(...args: Parameters<Render>) => Promise<string>> {
  const { parse, View } = await importPeer(import('vega'), user)
  return async (spec, title, description) => {
    const view = new View(parse(spec))
    const drawn = await view.toSVG()
    view.finalize()
    const words = `<title>${escaped(title)}</title><desc>${escaped(description)}</desc>`
    return `${drawn.replace(/^<svg[^>]*/, (start) => `${start} role="img"`).replace('>', () => `>${words}`)}\n`
  }
}

/** Letters look the same on a machine with other fonts or none, which are asked only for those that DejaVu lacks. */
async function png(): Promise<Render> {
  const user = 'a picture in PNG'
  const draw = await svg(user)
  const { Resvg } = await importPeer(import('@resvg/resvg-js'), user)
  const fontFiles = await importPeer(fonts(['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf']), user)
  const font = { fontFiles, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  return async (...picture) =>
    new Resvg(await draw(...picture), { font, fitTo: { mode: 'zoom', value: zoom } }).render().asPng()
}

async function fonts(names: readonly string[]): Promise<string[]> {
  const { resolve } = createRequire(import.meta.url)
  return names.map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}`))
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
