import { expect } from 'chai'
import { fileError } from '../../lib/files/errors.ts'
import { hideSecrets, Secrets } from '../../lib/files/secrets.ts'
import { command } from '../support/command.ts'

const flags = ['--input', 'x', '--label', 'y']

describe('what is secret', () => {
  it('is left out of URLs, and nothing else is', () => {
    for (const [text, shown] of [
      ["GET 'https://host/a.csv?sig=S' (HTTP 403)", "GET 'https://host/a.csv' (HTTP 403)"],
      ['"https://host/a.csv?sig=a\'S" and more', '"https://host/a.csv" and more'],
      ["['http://a/b?x=S', 'http://a/c?y=S']", "['http://a/b', 'http://a/c']"],
      ['https://me:S@host/a', 'https://…@host/a'],
      ['https://S@host/a', 'https://…@host/a'],
      ['s3://KEY:S@pairs/a.csv', 's3://…@pairs/a.csv'],
      ['s3://pairs/a.csv?s3_secret_access_key=S', 's3://pairs/a.csv'],
      ['ftp://me:S@host/a', 'ftp://…@host/a'],
      ['s3://pairs/a?b*.csv', 's3://pairs/a?b*.csv'],
      ['http://127.0.0.1:80/a@b.csv', 'http://127.0.0.1:80/a@b.csv'],
      ['abfss://container@account.net/a', 'abfss://container@account.net/a'],
    ] as const) {
      expect(hideSecrets(text)).to.equal(shown)
      expect(fileError(text, { file: text })).to.include({ message: shown, file: shown })
    }
  })

  it('is known of the URLs that were given, whatever it contains', () => {
    const secrets = new Secrets()
    secrets.add("https://host/a.csv?sig=one', tWo thReE")
    expect(secrets.hide("no 'https://host/a.csv?sig=one', tWo thReE'")).to.not.match(/one|tWo|thReE/)
  })

  it('is in no error of a command', async () => {
    for (const args of [
      ['none.csv', '--output', 'https://u:sEcReT@h/x.parquet?sig=sEcReT'],
      ['none.csv', '--output', "https://h/x.csvv?sig=a', sEcReT"],
      ['none.csv', '--output', 's3://b/o.xyz?s3_secret_access_key=sEcReT'],
      ['ftp://u:sEcReT@h/x.csv'],
      ['--query', "SELEC 1 FROM 'password=sEcReT'"],
      ['--query', "SELECT 1 FROM t WHERE x = = 'postgres://u:sEcReT@h/b'"],
    ]) {
      const { code, stderr } = await command(['score', ...args, ...flags])
      expect(code, stderr).to.be.oneOf([1, 2])
      expect(stderr, args.join(' ')).not.to.match(/sEcReT/)
    }
  })
})
