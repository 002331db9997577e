import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chart } from './chart.ts'
import type { Machine } from './machine.ts'
import { markdownTable, mergeReports, type Report } from './table.ts'

/** Where published results go: the folder of results, and the page whose table is replaced between its two marks. */
export type Places = Readonly<{ results: string; readme: string; names: readonly string[] }>

const BEGIN = '<!-- results: written by npm run bench -- --publish -->'
const END = '<!-- end of results -->'

/** Puts a report into `latest.json` beside what is there of other benchmarks, and renews the chart and the table from all of it. */
export async function publish(report: Report, { results, readme, names }: Places): Promise<void> {
  await mkdir(results, { recursive: true })
  const file = join(results, 'latest.json')
  const merged = mergeReports(await readReport(file), report, names)
  await writeFile(file, `${JSON.stringify(merged, undefined, 2)}\n`)
  await writeFile(join(results, 'chart.svg'), chart(merged))
  await writeFile(readme, withTable(await readFile(readme, 'utf8'), merged))
}

/** Reads a report that was written before; an empty one when there is none. */
export async function readReport(file: string): Promise<Report> {
  const text = await readFile(file, 'utf8').catch(() => '{"results":[]}')
  return JSON.parse(text) as Report
}

/** Returns a page with the machine and the table of a report between its two marks. @throws Error for a page without the marks */
export function withTable(page: string, report: Report): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`the page has no place for the table: ${BEGIN} … ${END}`)
  const machines = [...new Set(report.results.map(({ machine }) => machineText(machine)))]
  return `${page.slice(0, begin)}${BEGIN}\n\n${machines.join('\n')}\n\n${markdownTable(report)}\n${page.slice(end)}`
}

function machineText({ date, commit, cpu, cores, memoryGib, kernel, node, opensslInNode, openssl }: Machine): string {
  return `Made on ${date.slice(0, 10)} from commit ${commit}: ${cores} cores of ${cpu}, ${memoryGib} GiB, Linux ${kernel}, Node ${node} (OpenSSL ${opensslInNode}), \`openssl\` ${openssl}.`
}
