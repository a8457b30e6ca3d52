// Loaded into the Gemini CLI before itself (NODE_OPTIONS=--require): what it says to Google's sign-in goes to the simulator at
// GOOGLE_SIMULATOR. The CLI has settings for every other address; these it has none for.
const http = require("node:http");
const https = require("node:https");
const { syncBuiltinESMExports } = require("node:module");

const HOSTS = ["oauth2.googleapis.com", "www.googleapis.com"];
const simulator = new URL(process.env.GOOGLE_SIMULATOR);
const realRequest = https.request;
const realFetch = globalThis.fetch;

function here(address) {
  const url = new URL(address);
  return HOSTS.includes(url.hostname) ? new URL(url.pathname + url.search, simulator) : null;
}

https.request = (address, ...rest) => {
  const isPlain = typeof address === "string" || address instanceof URL;
  const url = here(isPlain ? address : `https://${address.hostname ?? address.host}${address.path ?? "/"}`);
  if (!url) return realRequest(address, ...rest);
  const { agent, ...options } = isPlain ? (rest[0] ?? {}) : address;
  return http.request(url, { method: options.method, headers: options.headers, signal: options.signal });
};

globalThis.fetch = (address, options) => realFetch(here(address?.url ?? address) ?? address, options);

syncBuiltinESMExports();
