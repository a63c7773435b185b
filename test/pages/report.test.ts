import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import puppeteer, { type Browser, type Page, type SerializedAXNode } from 'puppeteer-core'
import { reportFiles } from '../../lib/files.ts'
import { root } from '../support/processes.ts'

/** A form in which a page is read. */
interface Form {
  readonly width: number
  readonly scheme: 'light' | 'dark'
  readonly media?: 'print'
}

const forms: Readonly<Record<string, Form>> = {
  light: { width: 1100, scheme: 'light' },
  dark: { width: 1100, scheme: 'dark' },
  'on a phone': { width: 390, scheme: 'light' },
  'dark on a phone': { width: 390, scheme: 'dark' },
  'in print': { width: 720, scheme: 'dark', media: 'print' },
}

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8')

describe('a report in Chromium', function () {
  this.timeout(120_000)

  const digits = join(root, 'examples/digit-pairs.parquet')
  const columns = { input: 'learned_distance', label: 'label' } as const
  let folder: string
  let browser: Browser
  /** by their names, their paths */
  const pages: Record<string, string> = {}

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
    const write = async (name: string, paths: readonly string[], options: object) => {
      pages[name] = join(folder, `${name}.html`)
      await reportFiles(paths, { ...columns, ...options, output: pages[name] })
    }
    await write('whole', [digits], { by: '"left" % 4', keep: ['"left"', '"right"'] })
    await write('margins', [digits], { margin: [0.5, 1, 1.5] })
    const hostile = ['</script><script>alert(1)</script>', '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>']
    const names = [...hostile, 'שלום', 'x'.repeat(300), '']
    const rows = names.flatMap((name, i) => [1, -1].map((y) => ({ learned_distance: i / 4 + 0.1, label: y, name })))
    writeFileSync(join(folder, 'odd.ndjson'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    await write('odd', [join(folder, 'odd.ndjson')], { by: 'name', keep: ['name'] })
    await write('empty', [join(folder, 'odd.ndjson')], { input: 'learned_distance + NULL', nulls: 'ignore' })
    browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  })
  after(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true })
  })

  /** Opens a page; `events` are what it printed, threw or asked for. */
  async function open(name: string, { width, scheme, media }: Form): Promise<{ page: Page; events: string[] }> {
    const page = await browser.newPage()
    const events: string[] = []
    const url = pathToFileURL(pages[name] as string).href
    page.on('console', (message) => events.push(message.text()))
    page.on('pageerror', (error) => events.push(String(error)))
    page.on('dialog', (dialog) => events.push(dialog.message()))
    page.on('request', (request) => {
      if (request.url() !== url) events.push(request.url())
    })
    await page.setViewport({ width, height: 900 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    if (media) await page.emulateMediaType(media)
    await page.goto(url)
    return { page, events }
  }

  for (const name of ['whole', 'margins', 'odd', 'empty']) {
    for (const [formName, form] of Object.entries(forms)) {
      it(`the page "${name}" ${formName} has no error, no request and no violation, and is as wide as its window`, async () => {
        const { page, events } = await open(name, form)
        await page.evaluate(axe)
        const found = (await page.evaluate(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
          violations.map(({ id, nodes }) => [id, nodes[0].html, nodes[0].failureSummary].join(' ')))`)) as string[]
        expect(found).to.deep.equal([])
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        expect(overflow).to.be.at.most(0)
        expect(events).to.deep.equal([])
        await page.close()
      })
    }
  }

  it('letters of pictures are at least 9 pixels high on a phone and on a screen', async () => {
    for (const form of [forms.light, forms['on a phone']] as Form[]) {
      const { page } = await open('whole', form)
      const least = await page.evaluate(`Math.min(...Array.from(document.querySelectorAll('figure text'), (text) => {
        const scale = text.ownerSVGElement.getBoundingClientRect().width / text.ownerSVGElement.viewBox.baseVal.width
        return scale === 0 ? Infinity : scale * parseFloat(text.getAttribute('font-size'))
      }))`)
      expect(least).to.be.at.least(9)
      await page.close()
    }
  })

  const readColumn = (table: string, column: number) =>
    `Array.from(document.querySelectorAll('${table} tbody tr'), (row) => row.cells[${column}].textContent)`

  it('the keyboard sorts a table, both ways, and a screen reader is told', async () => {
    const { page } = await open('whole', forms.light as Form)
    const table = 'section[aria-labelledby=groups] table'
    const before = (await page.evaluate(readColumn(table, 1))) as string[]
    await page.focus(`${table} th:nth-child(2) button`)
    for (const [key, sort] of [
      ['Enter', 'descending'],
      ['Space', 'ascending'],
    ] as const) {
      await page.keyboard.press(key)
      const sorted = (await page.evaluate(readColumn(table, 1))) as string[]
      const numbers = sorted.map((text) => Number(text.replaceAll(',', '')))
      expect(numbers).to.deep.equal(numbers.toSorted((a, b) => (sort === 'ascending' ? a - b : b - a)))
      expect(sorted).to.have.members(before)
      const said = await page.evaluate(
        `[document.querySelector('${table} th:nth-child(2)').ariaSort, document.querySelector('[role=status]').textContent]`,
      )
      expect(said).to.deep.equal([sort, `Sorted by Pairs, ${sort}`])
    }
    const outline = await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)
    expect(outline).to.equal('solid')
    await page.close()
  })

  it('names are sorted as people sort them, and a value that is no number is last both ways', async () => {
    const { page } = await open('odd', forms.light as Form)
    const table = 'section[aria-labelledby=groups] table'
    await page.click(`${table} th:nth-child(1) button`)
    const names = (await page.evaluate(readColumn(table, 0))) as string[]
    expect(names).to.deep.equal(names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })))
    await page.close()
  })

  it('pointing at a bar, or tapping it, shows its numbers', async () => {
    const { page } = await open('whole', forms.light as Form)
    const bar = await page.$('section[aria-labelledby=distances] .wide .bars rect:nth-child(20)')
    await bar?.hover()
    const shown = await page.evaluate(
      `document.querySelector('section[aria-labelledby=distances] .readout').textContent`,
    )
    expect(shown).to.match(/^[\d.]+ ≤ x < [\d.]+: [\d,]+ positives, \d+\.\d %$/)
    await page.close()
  })

  it('without JavaScript the page has the same text, tables and pictures, and texts over its bars', async () => {
    const page = await browser.newPage()
    await page.setJavaScriptEnabled(false)
    await page.goto(pathToFileURL(pages.whole as string).href)
    const counts = (await page.evaluate(`['table', 'figure svg', '.bars title', 'button', '.readout'].map(
      (selector) => document.querySelectorAll(selector).length)`)) as number[]
    const [tables, pictures, titles, ...ofScript] = counts as [number, number, number, number, number]
    expect(tables).to.be.at.least(7)
    expect(pictures).to.equal(2 + 2 + 4)
    expect(titles).to.be.above(200)
    expect(ofScript).to.deep.equal([0, 0])
    await page.close()
  })

  it('landmarks and headings are in order', async () => {
    const { page } = await open('whole', forms.light as Form)
    const headings = (await page.evaluate(
      `Array.from(document.querySelectorAll('h1, h2, h3'), ({ tagName, textContent }) => tagName + ' ' + textContent)`,
    )) as string[]
    expect(headings).to.deep.equal([
      'H1 Hinge embedding loss of learned_distance',
      ...['H2 Totals', 'H2 Distances', 'H2 Over the margin', 'H2 By "left" % 4', 'H2 Pairs of greatest loss'],
      ...['H3 Positives: the furthest apart', 'H3 Negatives: the nearest, which should be 1 apart'],
      ...['H2 What the words mean', 'H2 How this page was made'],
    ])
    const landmarks = await page.evaluate(
      `Array.from(document.querySelectorAll('body > *'), ({ tagName }) => tagName).join(' ')`,
    )
    expect(landmarks).to.equal('HEADER NAV MAIN FOOTER SCRIPT P')
    await page.close()
  })

  it('a screen reader names every landmark, picture, table and column, and says no arrow', async () => {
    const { page } = await open('whole', forms.light as Form)
    const snapshot = (await page.accessibility.snapshot({ interestingOnly: false })) as SerializedAXNode
    const list = (node: SerializedAXNode): SerializedAXNode[] => [node, ...(node.children ?? []).flatMap(list)]
    const namesOf = (role: string) => list(snapshot).flatMap((node) => (node.role === role ? [node.name] : []))
    expect(namesOf('navigation')).to.deep.equal(['Contents'])
    expect(namesOf('region')).to.include.members(['Totals', 'Distances', 'By "left" % 4', 'How this page was made'])
    expect(namesOf('image')).to.deep.equal([
      ...['Distances of both classes', 'Mean loss and active share at each margin shown'],
      ...[0, 1, 2, 3].map((group) => `Distances of ${group}`),
    ])
    expect(namesOf('graphics-object')).to.deep.equal([])
    expect(namesOf('table')).to.include('Totals of each value of "left" % 4')
    expect(namesOf('table').every(Boolean)).to.equal(true)
    expect(namesOf('columnheader')).to.include.members(['Class', 'Margin Δ', 'Mean loss of positives', 'Row'])
    await page.close()
  })

  it('in print the page is light, has no contents or buttons to press, and its tables are whole', async () => {
    const { page } = await open('whole', forms['in print'] as Form)
    const styles = await page.evaluate(`[getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector('nav')).display, getComputedStyle(document.querySelector('.readout')).display]`)
    expect(styles).to.deep.equal(['rgb(255, 255, 255)', 'none', 'none'])
    const pdf = await page.pdf({ format: 'A4' })
    expect(
      Buffer.from(pdf)
        .toString('latin1')
        .match(/\/Type \/Page\b/g)?.length,
    ).to.be.within(3, 9)
    await page.close()
  })
})
