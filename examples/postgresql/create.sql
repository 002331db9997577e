-- Run once, as a superuser: psql -f create.sql, then \password signing. The server makes its tables at its first start.
-- One role owns the database and is nothing else; text is compared byte by byte on every machine.
create role signing login nosuperuser nocreatedb nocreaterole noreplication;
create database signing owner signing template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C';
revoke connect on database signing from public;
