import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inflateSync } from 'node:zlib'
import { expect } from 'chai'
import puppeteer, { type Browser, type Page } from 'puppeteer-core'
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
  this.timeout(300_000)

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

  describe('in Chromium, from the disk', () => {
    let browser: Browser
    let page: Page
    /** the errors of pages, and what they load from elsewhere than the disk */
    const faults: string[] = []

    before(async () => {
      browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
      page = await browser.newPage()
      page.on('pageerror', (error) => faults.push(String(error)))
      page.on('request', (request) => {
        if (!/^(file|data):/.test(request.url())) faults.push(request.url())
      })
    })
    after(() => browser?.close())
    afterEach(() => {
      expect(faults.splice(0)).to.deep.equal([])
    })

    const open = (path: string) => page.goto(pathToFileURL(join(site, path)).href, { waitUntil: 'domcontentloaded' })

    /** The addresses that the search lists, the best first. */
    async function search(words: string): Promise<string[]> {
      await open('index.html')
      await page.locator('#tsd-search-trigger').click()
      await page.locator('#tsd-search-input').fill(words)
      await page.waitForSelector('#tsd-search-results a')
      return page.$$eval('#tsd-search-results a', (links) => links.map((link) => link.getAttribute('href') ?? ''))
    }

    for (const [words, address] of [
      ['allowDuplicates', 'api/files/ScoreFilesOptions.html#allowduplicates'],
      ['--allow-duplicates', 'api/files/ScoreFilesOptions.html#allowduplicates'],
      ['installation', 'install.html'],
      ['exact merging', 'numerics.html#exact-sum'],
      ['ERR_INVALID_LABEL', 'use.html#errors'],
      ['minkowski:3', 'files.html#distances-of-embeddings'],
      ['valueAndGrad', 'api/HingeEmbeddingLoss.html#valueandgrad'],
    ] as const) {
      it(`the search for "${words}" lists ${address} among its first ten`, async () => {
        expect((await search(words)).slice(0, 10)).to.include(`./${address}`)
      })
    }

    it('no page is wider than a phone of 390 pixels', async () => {
      await page.setViewport({ width: 390, height: 800 })
      const names = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
      const wide = []
      for (const name of names) {
        await open(name)
        if (await page.evaluate('document.documentElement.scrollWidth > innerWidth')) wide.push(name)
      }
      expect(names).to.have.lengthOf.above(100)
      expect(wide).to.deep.equal([])
    })

    for (const [theme, name] of [
      ['light', 'digit-distances-light.svg'],
      ['dark', 'digit-distances-dark.svg'],
    ] as const) {
      it(`the ${theme} theme shows the ${theme} picture, whatever the system has`, async () => {
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme === 'dark' ? 'light' : 'dark' }])
        await open('index.html')
        await page.evaluate(`localStorage.setItem('tsd-theme', '${theme}')`)
        await open('index.html')
        await page.waitForFunction(`document.querySelector('picture img').currentSrc.endsWith('${name}')`)
      })
    }
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
