const rss=()=>Math.round(process.memoryUsage.rss()/1e5)/10
let last=rss(); console.log('base',last)
for (const m of process.argv.slice(2)) { await import(m); const r=rss(); console.log(String(Math.round((r-last)*10)/10).padStart(6), m); last=r }
const {heapUsed,heapTotal,external,arrayBuffers}=process.memoryUsage(); console.log('total',rss(),{heapUsed:heapUsed/1e6,heapTotal:heapTotal/1e6,external:external/1e6})
