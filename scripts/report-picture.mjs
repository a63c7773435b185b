// Takes the picture of a report that the README shows, with Chromium: node scripts/report-picture.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import puppeteer from 'puppeteer-core'

const folder = mkdtempSync(join(tmpdir(), 'report-picture-'))
const page = join(folder, 'digits.html')
execFileSync(process.execPath, ['examples/digit-report.mjs', page])
const browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const tab = await browser.newPage()
await tab.setViewport({ width: 760, height: 1130 })
await tab.goto(pathToFileURL(page).href)
await tab.screenshot({ path: 'docs/pictures/digit-report.png' })
await browser.close()
rmSync(folder, { recursive: true })
