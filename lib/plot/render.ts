import { createRequire } from 'node:module'
import { extname } from 'node:path'
import { message, option, optionError } from '../files/errors.ts'
import { type Feature, importPeer } from '../files/peers.ts'
import { describeChart, formatTitle } from './captions.ts'
import { buildChart } from './chart.ts'
import type { ChartData } from './chart-data.ts'
import type { Look } from './look.ts'

/** Draws a picture as the bytes of a file. */
type Renderer = (data: ChartData, look: Look) => Promise<string | Uint8Array>

const loaders: Readonly<Record<string, () => Promise<Renderer>>> = {
  '.svg': () => loadSVGRenderer('a picture'),
  '.png': loadPNGRenderer,
}

/** Pixels of a PNG for each pixel of the specification, as many as sharp screens have. */
const pixelRatio = 2

/**
 * Loads the renderer for a file of this name.
 *
 * @throws {RangeError} ERR_INVALID_ARG_VALUE, with `option`: no picture ends like this
 * @throws {Error} ERR_PACKAGE_MISSING: an optional package is not installed or too old
 */
export async function loadRenderer(file: string): Promise<Renderer> {
  const load = loaders[extname(file).toLowerCase()]
  if (load === undefined) {
    const endings = Object.keys(loaders).join(' or ')
    throw optionError('output', message`${option('output')} must end in ${endings}, got ${file}`)
  }
  return load()
}

/** Draws pictures as the text of an SVG. */
type SVGRenderer = (...picture: Parameters<Renderer>) => Promise<string>

export async function loadVega(feature: Feature): Promise<SVGRenderer> {
  const { parse, View } = await importPeer(import('vega'), feature)
  return async (data, look) => {
    const view = new View(parse(buildChart(data, look)))
    const svg = await view.toSVG()
    view.finalize()
    return svg
  }
}

/** Draws pictures with a title and a description for readers who do not see them. */
async function loadSVGRenderer(feature: Feature): Promise<SVGRenderer> {
  const draw = await loadVega(feature)
  return async (...picture) => {
    const [data] = picture
    const svg = await draw(...picture)
    const words = `<title>${escapeXML(formatTitle(data))}</title><desc>${escapeXML(describeChart(data))}</desc>`
    return `${svg.replace(/^<svg[^>]*/, (start) => `${start} role="img"`).replace('>', () => `>${words}`)}\n`
  }
}

/** Draws letters with the fonts of DejaVu. Fonts of the machine serve only for letters that DejaVu lacks. */
async function loadPNGRenderer(): Promise<Renderer> {
  const feature = 'a picture in PNG'
  const renderSVG = await loadSVGRenderer(feature)
  const { Resvg } = await importPeer(import('@resvg/resvg-js'), feature)
  const fontFiles = await importPeer(resolveFonts(['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf']), feature)
  const font = { fontFiles, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  return async (...picture) => {
    const svg = await renderSVG(...picture)
    return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: pixelRatio } }).render().asPng()
  }
}

/** The paths of font files. It is async, so that a missing package rejects as a failed import does. */
async function resolveFonts(names: readonly string[]): Promise<string[]> {
  const { resolve } = createRequire(import.meta.url)
  return names.map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}`))
}

function escapeXML(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
