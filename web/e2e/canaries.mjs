/** Texts that would do something if a page took them for more than text, and what tells that one did. */

/** How the two kinds of visitors browse: as anybody does, and without the policy that would keep a hole in a page from showing. */
const KINDS = [{ bypassCSP: false }, { bypassCSP: true }]

/** Each would leave an element, an attribute or a call of `canary` behind. None holds a space at its ends, which titles lose. */
export const CANARIES = [
  '<script data-canary>canary("script")</script>',
  '<img data-canary src=/nowhere.png onerror=canary("img")>',
  '<svg data-canary onload=canary("svg")><a data-canary href=javascript:canary("a")>x</a></svg>',
  '<iframe data-canary srcdoc="<script>parent.canary(1)</script>"></iframe>',
  '"><b data-canary onclick=canary("double")>b</b>',
  "'><b data-canary onclick=canary('single')>b</b>",
  '" data-canary onfocus=canary("attribute") autofocus x="',
  "' data-canary onfocus=canary('attribute') autofocus x='",
  '</title></textarea></style></script><script data-canary>canary("closed")</script>',
  '<!--><img data-canary src=/nowhere.png onerror=canary("comment")>-->',
  '<style data-canary>@import "/nowhere.css";</style><base data-canary href=//canary.example/>',
  '<form data-canary action=javascript:canary("form")><button data-canary formaction=javascript:canary("b")>x</button></form>',
  '{{constructor.constructor("canary(1)")()}}${canary("template")}<%= canary(1) %>#{canary(1)}',
  '<?lit$0$><!--?lit$0$--><template data-canary><slot data-canary></slot></template>',
  'javascript:canary("address")//',
  'data:text/html,<script>opener.canary("data")</script>',
  '&lt;img data-canary src=/nowhere.png onerror=canary("entity")&gt;&#60;img data-canary&#62;',
  '\u202e<math data-canary><mtext></p><img data-canary src=/nowhere.png onerror=canary("math")>',
]

/** Visitors of both kinds, and a list of what went wrong on any of their pages. */
export async function visitors(browser, options = {}) {
  const wrong = []
  const contexts = await Promise.all(KINDS.map((kind) => browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...kind, ...options })))
  for (const context of contexts) {
    await context.exposeBinding('canary', ({ page }, what) => wrong.push(`a canary ran at ${page.url()}: ${what}`))
    await context.exposeBinding('refused', ({ page }, what) => wrong.push(`the policy refused at ${page.url()}: ${what}`))
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
        // XML, as which the CDN words its refusals, is shown by Chromium as a tree with a style of its own.
        const isBrowsersOwn = /^(text|application)\/xml$/.test(document.contentType) && violatedDirective === 'style-src-elem'
        if (!isBrowsersOwn) window.refused(`${violatedDirective} ${blockedURI} ${sample}`)
      })
    })
    context.on('dialog', async (dialog) => {
      wrong.push(`a dialog: ${dialog.message()}`)
      await dialog.dismiss()
    })
    context.on('weberror', (error) => wrong.push(`an error: ${error.error()}`))
  }
  return { contexts, wrong }
}

/** What a canary has left in the page, as text; an empty list is what is wanted. */
export function traces(page) {
  return page.evaluate(() => {
    const addresses = ['href', 'src', 'action', 'formaction', 'xlink:href', 'data', 'poster', 'srcdoc']
    const found = []
    for (const element of document.querySelectorAll('*')) {
      const name = element.tagName.toLowerCase()
      if (element.hasAttribute('data-canary')) found.push(`<${name} data-canary>`)
      for (const attribute of element.attributes) {
        if (attribute.name.startsWith('on')) found.push(`<${name} ${attribute.name}>`)
        const isAddress = addresses.includes(attribute.name)
        // Browsers drop the control characters in an address.
        if (isAddress && /^[\u0000-\u0020]*(javascript|data:text|vbscript)/i.test(attribute.value)) found.push(`<${name} ${attribute.name}=${attribute.value}>`)
      }
    }
    return found
  })
}
