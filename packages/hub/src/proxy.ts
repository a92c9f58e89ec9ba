// HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as curl reads them (lower case wins).

import type { Dispatcher } from "undici";

const agents = new Map<string, Dispatcher>();

/** The proxy that a URL is to be fetched through, if any. */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const proxy = read(url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY") ?? read("ALL_PROXY");
  if (proxy === undefined || isExempt(url, read("NO_PROXY") ?? "")) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** NO_PROXY: `*`, or hosts and domains (`.example.org`, `*.example.org`, `example.org`), each with an optional port. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      const [, name, onlyPort] = /^(.*?)(?::(\d+))?$/.exec(entry)!;
      if (onlyPort !== undefined && onlyPort !== port) return false;
      const domain = name.replace(/^\*?\./, "");
      return host === domain || host.endsWith(`.${domain}`);
    });
}

/** The connection pool for a URL: one for direct connections, one for each proxy. Idle connections do not keep a process alive. */
export async function dispatcherFor(url: URL): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import("undici");
  const proxy = proxyFor(url);
  const key = proxy ?? "direct";
  let agent = agents.get(key);
  if (agent === undefined) {
    agent =
      proxy === undefined
        ? new Agent({ keepAliveTimeout: 2_000 })
        : new ProxyAgent({ uri: proxy, keepAliveTimeout: 2_000 });
    agents.set(key, agent);
  }
  return agent;
}
