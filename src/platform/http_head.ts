/** The head of a request of HTTP/1.1 (RFC 9112), as far as one without a body needs it. Pure. */

/** A request, read whole. */
export interface HttpRequest {
  readonly method: string;
  /** Its path and query; the host in it means nothing. */
  readonly url: URL;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Why a request isn't read: a status of HTTP, and one sentence. */
export interface HttpProblem {
  readonly status: 400 | 413 | 431;
  readonly problem: string;
}

/** RFC 9112, section 3; a target is a path, as all clients but proxies send it. */
const REQUEST_LINE = /^([A-Z]{1,16}) (\/[!-~]{0,2000}) HTTP\/1\.[01]$/;
/** Section 5: no space before the colon, no folded lines. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*$/;

/** @param head up to, and without, the empty line at its end */
export function parseHead(head: string): HttpRequest | HttpProblem {
  const [first = "", ...lines] = head.split("\r\n");
  const [, method, target] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || target === undefined) {
    return bad("the first line must be a method, a path and a version, as in GET /healthz HTTP/1.1");
  }
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) return bad("a header must be a name, a colon and a value");
    const known = headers.get(name.toLowerCase());
    if (known !== undefined && /^(host|content-length)$/i.test(name)) return bad(`${name} is there twice`);
    headers.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  if (!/^0*$/.test(headers.get("content-length") ?? "") || headers.has("transfer-encoding")) {
    return { status: 413, problem: "a request has no body here; put what it asks for into the path" };
  }
  // A path that begins with two slashes would be taken for a host.
  const url = URL.parse(`http://localhost${target}`);
  return url === null ? bad("the path isn't one of a URL") : { method, url, headers };
}

function bad(problem: string): HttpProblem {
  return { status: 400, problem };
}
