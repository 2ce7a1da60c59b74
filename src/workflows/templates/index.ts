export { addTemplateRoutes } from "./routes.ts";
