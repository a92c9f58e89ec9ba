// Models that come as npm packages: no download, and a name of one word.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import { HubError } from "./errors.js";

/** Names, and the packages whose folders are the models. */
const PACKAGES: Readonly<Record<string, string>> = { tiny: "@node-bert/tiny" };

/** The folder of a model that comes as a package; undefined for a name that none has. @throws HubError HUB_NOT_FOUND when it is not installed */
export function packagedModelFolder(name: string): string | undefined {
  if (!Object.hasOwn(PACKAGES, name)) return undefined;
  const packageName = PACKAGES[name]!;
  // Beside this package where npm laid them side by side, else where the program lies.
  const places = [import.meta.url, process.argv[1], `${process.cwd()}/`].filter((place) => place !== undefined);
  for (const place of places) {
    try {
      return dirname(createRequire(place).resolve(`${packageName}/package.json`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new HubError(
    "HUB_NOT_FOUND",
    `${name}: the package ${packageName} is not installed. Add it: npm install ${packageName}`,
  );
}
