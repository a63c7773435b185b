import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { expect } from 'chai'
import { pages } from '../support/pages.ts'
import { root, run, succeeds } from '../support/processes.ts'

const site = join(root, 'build/site')

interface Entry {
  readonly text: string
  readonly path: string
  readonly children?: readonly Entry[]
}

/** The data of a script of the site: JSON, deflated, in Base64. */
function readData<T>(script: string): T {
  const [, text = ''] = /"(.*)"/.exec(readFileSync(join(site, 'assets', script), 'utf8')) ?? []
  return JSON.parse(inflateSync(Buffer.from(text, 'base64')).toString()) as T
}

describe('the site', function () {
  this.timeout(120_000)

  before(() => succeeds(run('npm', ['run', 'docs'])))

  it('the navigation leads to every page, and to the modules after the reference', () => {
    const entries = readData<Entry[]>('navigation.js')
    const addresses = pages.map((page) => {
      return page === 'README.md'
        ? 'index.html'
        : page.replace(/^docs\/|\/README(?=\.md$)/g, '').replace('.md', '.html')
    })
    const paths = entries.map(({ path }) => path)
    expect(['index.html', ...paths]).to.include.members(addresses)
    const modules = ['hinge-embedding-loss', 'files', 'duckdb', 'bullmq'].map((name) => `api/${name}.html`)
    const reference = paths.indexOf('api.html')
    expect(paths.slice(reference + 1, reference + 5)).to.deep.equal(modules)
  })

  it('the home page has the first heading of README.md once', () => {
    const headings = readFileSync(join(site, 'index.html'), 'utf8').match(/<h1[ >]/g)
    expect(headings).to.have.lengthOf(1)
  })
})

describe('the check of links', () => {
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'site-'))
    writeFileSync(join(folder, 'a.svg'), '')
    writeFileSync(join(folder, 'b.html'), '<h2 id="here">Here</h2>')
  })
  after(() => rmSync(folder, { recursive: true }))

  async function check(html: string): Promise<string[]> {
    writeFileSync(join(folder, 'a.html'), html)
    const { findBrokenLinks } = await import(new URL('../../docs/site/check.mjs', import.meta.url).href)
    return findBrokenLinks(folder)
  }

  for (const link of [
    '<a href="b.html">',
    '<a href="b.html#here">',
    '<a href="#">',
    '<img src="a.svg">',
    '<a class="external" href="https://example.com/none">',
  ]) {
    it(`the check of links lets ${link} pass`, async () => {
      expect(await check(link)).to.deep.equal([])
    })
  }

  for (const [link, url] of [
    ['<a href="c.html">', 'c.html'],
    ['<a href="b.html#there">', 'b.html#there'],
    ['<a href="#here">', '#here'],
    ['<a href=".">', '.'],
    ['<img alt="" src="b.svg">', 'b.svg'],
    ['<source srcset="b.svg">', 'b.svg'],
    ['<script src="https://example.com/a.js">', 'https://example.com/a.js'],
    ['<link href="//example.com/a.css">', '//example.com/a.css'],
  ] as const) {
    it(`the check of links finds ${link}`, async () => {
      expect(await check(link)).to.deep.equal([`a.html: ${url}`])
    })
  }
})
